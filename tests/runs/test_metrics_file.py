from pathlib import Path

import numpy as np
import pytest

from trainer.errors import DataError, StorageError
from trainer.runs import read_metrics
from trainer.runs.metrics import MetricsFile
from trainer.training import Epoch


def record(epoch: int, loss: float = 0.1) -> Epoch:
    numbers = {"loss": loss, "accuracy": 0.5}, {"loss": 2 * loss, "accuracy": 0.25}
    return Epoch(epoch, 10 * epoch, 0.1, *numbers, 0.5, 100.0)


def test_the_header_comes_with_the_first_row_and_never_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    with MetricsFile(path) as file:
        assert not path.exists()
        file.append(record(1))
        assert path.read_text() == (
            "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,step_size,seconds,rows_per_second\n"
            "1,10,0.1,0.5,0.2,0.25,0.1,0.5,100.0\n"
        )
        file.append(record(2))
    with MetricsFile(path) as file:
        file.append(record(3))
    assert path.read_text().count("epoch") == 1
    assert read_metrics(path)["epoch"].tolist() == [1, 2, 3]


def test_numbers_come_back_to_the_last_bit(tmp_path: Path) -> None:
    losses = [0.1 + 0.2, np.nextafter(1.0, 2.0), 1e-300, float("inf"), float("nan")]
    with MetricsFile(tmp_path / "m.csv") as file:
        for epoch, loss in enumerate(losses, start=1):
            file.append(record(epoch, float(loss)))
    metrics = read_metrics(tmp_path / "m.csv")
    np.testing.assert_array_equal(metrics["train_loss"], losses)
    assert metrics["step"].dtype == np.int64
    assert metrics["train_loss"].dtype == np.float64


def test_numbers_of_numpy_are_written_as_plain_numbers(tmp_path: Path) -> None:
    with MetricsFile(tmp_path / "m.csv") as file:
        file.append(Epoch(1, 2, np.float32(0.5), {"loss": np.float64(1.5)}, {}, 0.5, 100.0))
    assert "np." not in (tmp_path / "m.csv").read_text()


def test_a_row_that_was_cut_off_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("epoch,train_loss\n1,0.5\n2,0.2")
    assert read_metrics(path)["epoch"].tolist() == [1]


def test_a_file_without_rows_or_no_file_has_no_columns_or_empty_ones(tmp_path: Path) -> None:
    assert read_metrics(tmp_path / "m.csv") == {}
    (tmp_path / "m.csv").write_text("")
    assert read_metrics(tmp_path / "m.csv") == {}
    (tmp_path / "m.csv").write_text("epoch,train_loss\n")
    assert read_metrics(tmp_path / "m.csv")["epoch"].shape == (0,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch,train_loss\n1,0.5\n2\n", "m.csv:3: 1 values where the header names 2"),
        ("epoch,train_loss\n1,many\n", "m.csv: could not convert string to float: 'many'"),
    ],
)
def test_a_damaged_file_is_an_error_that_says_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        read_metrics(tmp_path / "m.csv")
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_an_epoch_with_other_metrics_than_the_first_is_refused(tmp_path: Path) -> None:
    with MetricsFile(tmp_path / "m.csv") as file:
        file.append(record(1))
        with pytest.raises(ValueError, match="but this epoch brings"):
            file.append(Epoch(2, 20, 0.1, {"loss": 0.5}, {}, 0.5, 100.0))
    assert read_metrics(tmp_path / "m.csv")["epoch"].tolist() == [1]


def test_a_name_with_a_comma_a_quote_or_a_space_is_one_column(tmp_path):
    names = ["hits (1, 2)", 'say "so"', "größe"]
    for epoch in (1, 2):  # the second opens what the first has left
        with MetricsFile(tmp_path / "metrics.csv") as file:
            file.append(record(epoch)._replace(train=dict.fromkeys(names, 0.5), test={}))
    columns = read_metrics(tmp_path / "metrics.csv")
    assert [name for name in columns if name.startswith("train_")] == [f"train_{name}" for name in names]
    assert columns["train_hits (1, 2)"].tolist() == [0.5, 0.5]


def test_a_row_that_the_disk_takes_in_part_is_no_row(tmp_path: Path) -> None:
    class Full:
        def write(self, line: bytes) -> int:
            return len(line) - 1

        def tell(self) -> int:
            return (tmp_path / "m.csv").stat().st_size

        def close(self) -> None: ...

    with MetricsFile(tmp_path / "m.csv") as file:
        file.append(record(1))
        file.file.close()
        file.file._file = Full()
        with pytest.raises(StorageError, match=r"m\.csv.*a whole piece has no room"):
            file.append(record(2))
