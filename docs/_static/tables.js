// Gives each cell the name of its column, which tables.css shows where a window has no room for columns.
for (const table of document.querySelectorAll("article table.docutils")) {
  const names = Array.from(table.querySelectorAll("thead th"), (head) => head.textContent);
  for (const row of table.querySelectorAll("tbody tr"))
    Array.from(row.cells).forEach((cell, i) => names[i] && (cell.dataset.column = names[i]));
}
