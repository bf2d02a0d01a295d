// A number of four significant digits, as the server writes it.
export function number(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const text = value.toExponential(3), power = Number(text.slice(text.indexOf("e") + 1));
  if (power >= -4 && power < 4) return value.toPrecision(4);
  return text.replace(/e([+-])(\d)$/, (_, sign, digit) => `e${sign}0${digit}`);
}
