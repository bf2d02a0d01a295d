# ruff: noqa: E501 - a message stands in one piece, so that it can be searched for
"""Text files that are no data set, and the message for each."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.hints import ways
from trainer.data import load
from trainer.errors import DataError

T = "width,height,kind\n"
CITY = "size,city,days,kind\n"

BAD: list[tuple[str, str | bytes, dict[str, Any], str]] = [
    ("empty.csv", "", {}, "empty.csv is empty; a data set needs at least one row"),
    ("blank.csv", "\n\n", {}, "blank.csv is empty; a data set needs at least one row"),
    (
        "header_only.csv",
        T,
        {},
        "header_only.csv has a header (line 1) and no rows; say header: false if that line is data",
    ),
    (
        "text.csv",
        T + "1,2,a\n3,wide,b\n",
        {},
        "text.csv:3: column 'height': 'wide' is not a finite number; put one there, or say categorical: [height] if the column names categories",
    ),
    (
        "missing.csv",
        T + "1,2,a\n3,,b\n",
        {},
        "missing.csv:3: column 'height': an empty cell is a missing value; fill it in, remove the row, or have it filled in by missing: allow and preprocess: [simple_imputer], or [simple_imputer, standard_scaler] in place of standardize; nothing is dropped silently",
    ),
    (
        "na.csv",
        T + "1,2,a\nNA,4,b\n",
        {},
        "na.csv:3: column 'width': 'NA' is a missing value; fill it in, remove the row, or have it filled in by missing: allow and preprocess: [simple_imputer], or [simple_imputer, standard_scaler] in place of standardize; nothing is dropped silently",
    ),
    (
        "nan.csv",
        T + "1,2,a\n\nnan,4,b\n",
        {},
        "nan.csv:4: column 'width': 'nan' is a missing value; fill it in, remove the row, or have it filled in by missing: allow and preprocess: [simple_imputer], or [simple_imputer, standard_scaler] in place of standardize; nothing is dropped silently",
    ),
    (
        "inf.csv",
        T + "inf,2,a\n3,4,b\n",
        {},
        "inf.csv:2: column 'width': 'inf' is not a finite number; put one there",
    ),
    (
        "underscore.csv",
        T + "1_000,2,a\n3,4,b\n",
        {},
        "underscore.csv:2: column 'width': '1_000' is not a finite number; put one there, or say categorical: [width] if the column names categories",
    ),
    (
        "comma.csv",
        "w;h;k\n1,5;2;a\n3;4;b\n",
        {"delimiter": ";"},
        "comma.csv:2: column 'w': '1,5' is a number as people write it: say decimal: ',' if it is 1.5",
    ),
    ("ragged.csv", T + "1,2,a\n3,b\n", {}, "ragged.csv:3: 2 cells, but line 1 has 3; fill in what is missing"),
    ("long.csv", T + "1,2,a\n3,4,5,b\n", {}, "long.csv:3: 4 cells, but line 1 has 3; quote a cell that holds ','"),
    (
        "semicolon.csv",
        "a;b;y\n1,5;2,5;yes\n2;3,5;no\n",
        {},
        "semicolon.csv:2: column 'a': '1,5' is a number as people write it: say decimal: ',' if it is 1.5",
    ),
    (
        "tab.csv",
        "a\tb\ty\n1\t2,3\tyes\n2\t3\tno\n",
        {"delimiter": ","},
        "tab.csv:2: 2 cells, but line 1 has 1; '\\t' seems to separate the cells: say delimiter: tab, and decimal: ','",
    ),
    (
        "uneven_semicolon.csv",
        "a;b;y\n1,5;2,5\n2;3,5;no\n",
        {},
        "uneven_semicolon.csv:2: 3 cells, but line 1 has 1; quote a cell that holds ','",
    ),
    (
        "quote.csv",
        T + '1,2,a\n3,"4,b\n5,6,a\n',
        {},
        "quote.csv:3: the row that starts here is not CSV (unexpected end of data); look for a double quote that is not closed",
    ),
    (
        "latin.csv",
        "width,kind\n1,caf\xe9\n".encode("latin-1"),
        {},
        "latin.csv:2: byte 0xe9 is not UTF-8; say encoding: cp1252 if this is right: '1,café', or save the file as UTF-8",
    ),
    (
        "target.csv",
        T + "1,2,a\n3,4,b\n",
        {"target": "knid"},
        "target.csv has no column 'knid' for the target; did you mean 'kind'?",
    ),
    (
        "target2.csv",
        T + "1,2,a\n3,4,b\n",
        {"target": "species"},
        "target2.csv has no column 'species' for the target; it has width, height, kind",
    ),
    ("index.csv", T + "1,2,a\n3,4,b\n", {"target": 3}, "index.csv has columns 0 to 2, and no target column 3"),
    (
        "nameless.csv",
        "1,2,a\n3,4,b\n",
        {"target": "kind"},
        "nameless.csv has no header line, so there is no target column 'kind': give its index, 0 to 2, or header: true if the first line names the columns",
    ),
    (
        "one_class.csv",
        T + "1,2,a\n3,4,a\n",
        {},
        "data set 'one_class.csv' has one class only, 'a': a classification needs at least two classes",
    ),
    (
        "mixed.csv",
        T + "1,2,10\n3,4,x\n",
        {},
        "mixed.csv:3: column 'kind': 'x' is text where other targets are numbers; mend it, or say task: classification if all of them name classes",
    ),
    (
        "no_class.csv",
        T + "1,2,a\n3,4,\n",
        {},
        "no_class.csv:3: column 'kind': an empty cell is a missing class; fill it in or remove the row",
    ),
    (
        "two_spellings.csv",
        T + "1,2,1\n3,4,0\n5,6,1.0\n",
        {"task": "classification"},
        "two_spellings.csv:4: column 'kind': '1.0' and '1' are one number; spell the class one way",
    ),
    (
        "words.csv",
        T + "1,2,a\n3,4,b\n",
        {"task": "regression"},
        "words.csv:2: column 'kind': 'a' is not a finite number; put one there, or say task: classification if the targets name classes",
    ),
    (
        "twice.csv",
        "width,width,kind\n1,2,a\n",
        {},
        "twice.csv:1: columns 0 and 1 are both named 'width'; rename one, or leave one out by its index: ignore: [1]",
    ),
    (
        "unnamed.csv",
        "width,,kind\n1,2,a\n",
        {},
        "unnamed.csv:1: an empty cell is no name for column 1; rename it, or leave it out by its index: ignore: [1]",
    ),
    (
        "missing_first.csv",
        "NA,a\n1,b\n2,a\n",
        {},
        "missing_first.csv:1: 'NA' is rather a missing value than the name of a column; say header: true if it names the columns, header: false if it is a row of data",
    ),
    (
        "half_header.csv",
        "width,2020,kind\n1,2,a\n3,4,b\n",
        {},
        "half_header.csv:1: column 0: 'width' is not a number; if this line names the columns, say header: true",
    ),
    (
        "semicolons.csv",
        "width;kind\n1;a\n2;b\n",
        {"delimiter": ","},
        "semicolons.csv has one column, and a data set needs a target column beside at least one column of inputs; if ';' separates the cells, say delimiter: ';'",
    ),
    (
        "one_column.csv",
        "kind\na\nb\n",
        {},
        "one_column.csv has one column, and a data set needs a target column beside at least one column of inputs",
    ),
    (
        "task.csv",
        T + "1,2,a\n3,4,b\n",
        {"task": "clasification"},
        "task.csv: the option task is 'classification' or 'regression', not 'clasification'",
    ),
    (
        "header.csv",
        T + "1,2,a\n3,4,b\n",
        {"header": "yes"},
        "header.csv: the option header is true or false, not 'yes'",
    ),
    (
        "delimiter.csv",
        T + "1,2,a\n3,4,b\n",
        {"delimiter": "::"},
        "a delimiter is one character, such as ',' or ';', or the word tab, not '::'",
    ),
    ("option.csv", T + "1,2,a\n3,4,b\n", {"targt": "kind"}, "option.csv has no option 'targt'; did you mean 'target'?"),
    (
        "data.xlsx",
        "PAR1",
        {},
        "'data.xlsx' is no data file: one ends in .csv, .tsv, .npz, .mat, .h5, .hdf5, .npy, .idx, -ubyte, .svm, .libsvm, .svmlight, .txt, .parquet, .pq, .arrow, .feather, .ipc, .jsonl, .ndjson or .arff, or is a folder",
    ),
    (
        "iris.data",
        T,
        {},
        "'iris.data' is no data file: one ends in .csv, .tsv, .npz, .mat, .h5, .hdf5, .npy, .idx, -ubyte, .svm, .libsvm, .svmlight, .txt, .parquet, .pq, .arrow, .feather, .ipc, .jsonl, .ndjson or .arff, or is a folder; a table of text is read under a name that ends in .csv",
    ),
    (
        "aligned.csv",
        "width  kind\n1      a\n2      b\n",
        {},
        "aligned.csv has one column, and a data set needs a target column beside at least one column of inputs; if spaces separate the cells, write one comma in place of each row of them",
    ),
    (
        "texts.csv",
        "city,width,tone,size,kind\nRome,1,red,L,a\nOslo,2,blue,M,b\n",
        {"categorical": ["size"]},
        "texts.csv:2: column 'city': 'Rome' is not a finite number; put one there, or say categorical: [city, tone, size] if it and 1 more column of text name categories",
    ),
    (
        "flowers",
        T,
        {},
        "'flowers' is no data file: one ends in .csv, .tsv, .npz, .mat, .h5, .hdf5, .npy, .idx, -ubyte, .svm, .libsvm, .svmlight, .txt, .parquet, .pq, .arrow, .feather, .ipc, .jsonl, .ndjson or .arff, or is a folder",
    ),
    (
        "far_down.csv",
        T + "1,2,a\n3,4,b\n" * 2007 + "5,x,a\n",
        {},
        "far_down.csv:4016: column 'height': 'x' is not a finite number; put one there, or say categorical: [height] if the column names categories",
    ),
    (
        "no_header.csv",
        "1,2,a\n3,x,b\n",
        {},
        "no_header.csv:2: column 1: 'x' is not a finite number; put one there, or say categorical: [1] if the column names categories",
    ),
    (
        "auto_mixed.csv",
        CITY + "1,Rome,2,a\n1,3,2,b\n",
        {"categorical": "auto"},
        "auto_mixed.csv:2: column 'city': 'Rome' is text where other cells are numbers; mend it, or name the column under categorical: [city]",
    ),
    (
        "no_category.csv",
        CITY + "1,Rome,2,a\n1,,2,b\n",
        {"categorical": ["city"]},
        "no_category.csv:3: column 'city': an empty cell is a missing category; fill it in or remove the row, or say missing: allow, which makes a category of its own, '?', of it",
    ),
    (
        "too_many.csv",
        "city,y\n" + "".join(f"c{i},{i}\n" for i in range(1001)),
        {"categorical": ["city"]},
        "too_many.csv: column 'city' has 1001 categories, and one_hot makes a column of each, 1000 at most; say encode: index and look them up in an embedding, or ignore: [city], and do not name it under categorical",
    ),
    (
        "encode.csv",
        CITY + "1,Rome,2,a\n1,Oslo,2,b\n",
        {"categorical": "auto", "encode": "onehot"},
        "encode.csv: the option encode is 'one_hot' or 'index', not 'onehot'",
    ),
    (
        "no_city.csv",
        CITY + "1,Rome,2,a\n1,Oslo,2,b\n",
        {"categorical": ["town", "city"]},
        "no_city.csv has no column 'town' to be categorical; it has size, city, days, kind",
    ),
    (
        "ignored.csv",
        CITY + "1,Rome,2,a\n1,Oslo,2,b\n",
        {"ignore": ["citty"]},
        "ignored.csv has no column 'citty' to be ignored; did you mean 'city'?",
    ),
    (
        "ignored_index.csv",
        CITY + "1,Rome,2,a\n1,Oslo,2,b\n",
        {"ignore": [4]},
        "ignored_index.csv has columns 0 to 3, and no ignored column 4",
    ),
    (
        "two_roles.csv",
        CITY + "1,Rome,2,a\n1,Oslo,2,b\n",
        {"group": "city", "categorical": ["city"]},
        "two_roles.csv: column 'city' is named as group and as categorical; a column is one thing",
    ),
    (
        "named_twice.csv",
        CITY + "1,Rome,2,a\n1,Oslo,2,b\n",
        {"ignore": ["city", 1]},
        "named_twice.csv: column 'city' is named twice; a column is one thing",
    ),
    (
        "group.csv",
        CITY + "1,Rome,2,a\n1,,2,b\n",
        {"group": "city"},
        "group.csv:3: column 'city': an empty cell is a missing group; fill it in or remove the row",
    ),
    (
        "weight_zero.csv",
        CITY + "1,Rome,2,a\n0,Oslo,2,b\n",
        {"weight": "size", "ignore": ["city"]},
        "weight_zero.csv:3: column 'size': weight 0 is not above 0; remove a row that does not count",
    ),
    (
        "weight_text.csv",
        CITY + "1,Rome,2,a\nheavy,Oslo,2,b\n",
        {"weight": "size", "ignore": ["city"]},
        "weight_text.csv:3: column 'size': 'heavy' is not a finite number; put one there, above 0, for the weight of the row",
    ),
    (
        "nothing_left.csv",
        CITY + "1,Rome,2,a\n0,Oslo,2,b\n",
        {"ignore": ["size", "city", "days"]},
        "nothing_left.csv has no column of inputs beside those that target, group, weight and ignore name",
    ),
    (
        "no_target_left.csv",
        "a,b\n1,2\n",
        {"ignore": ["a", "b"]},
        "no_target_left.csv has no column left for the target; name it with target",
    ),
    (
        "target_text.csv",
        T + "1,2,a\n3,4,b\n",
        {"target": ["height", "kind"]},
        "target_text.csv:2: column 'kind': 'a' is not a finite number; put one there: several targets are numbers to predict; for classes name one target column",
    ),
    (
        "target_classes.csv",
        T + "1,2,3\n3,4,5\n",
        {"target": ["height", "kind"], "task": "classification"},
        "target_classes.csv: 2 target columns are numbers to predict, and a classification has one target; keep one, or leave task out; then columns of 0 and 1 are labels to cost: sigmoid_cross_entropy",
    ),
    (
        "target_none.csv",
        T + "1,2,3\n3,4,5\n",
        {"target": []},
        "target_none.csv: target is an empty list; name a column, or leave target out",
    ),
    (
        "missing_target.csv",
        T + "1,2,3\n3,4,\n",
        {"missing": "allow"},
        "missing_target.csv:3: column 'kind': an empty cell is a missing value; fill it in or remove the row; nothing is dropped silently",
    ),
    (
        "missing_option.csv",
        T + "1,2,3\n3,4,5\n",
        {"missing": "mean"},
        "missing_option.csv: the option missing is 'error' or 'allow', not 'mean'",
    ),
    (
        "names.csv",
        T + "1,2,3\n3,4,5\n",
        {"ignore": True},
        "names.csv: the option ignore is a column or a list of columns, not True",
    ),
    (
        "group_list.csv",
        T + "1,2,3\n3,4,5\n",
        {"group": ["width"]},
        "group_list.csv: the option group is the name or the index of a column, not ['width']",
    ),
]


# What is said of the file once it is read as the message says, where that is wrong of it too.
THEN = {
    ("header_only.csv", "header: False"): "if this line names the columns, say header: true",
    ("latin.csv", "encoding: cp1252"): "has one class only, 'café'",
    ("nameless.csv", "header: True"): "has no column 'kind' for the target",
    ("missing_first.csv", "header: False"): "'NA' is a missing value",
    ("too_many.csv", "ignore: ['city']"): "has no column of inputs",
    ("twice.csv", "ignore: [1]"): "has one class only, 'a'",
    ("unnamed.csv", "ignore: [1]"): "has one class only, 'a'",
}
TOLD = [case for case in BAD if any(ways(case[3]))]


@pytest.mark.parametrize(("name", "content", "options", "message"), TOLD, ids=[case[0] for case in TOLD])
def test_a_file_is_read_when_what_its_message_says_is_set(
    name: str,
    content: str | bytes,
    options: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    for way in ways(message):
        told = {key: value for key, value in {**options, **way}.items() if value is not None and key != "cost"}
        then = THEN.get((name, "{}: {}".format(*next(iter(way.items())))))
        with pytest.raises(DataError, match=then) if then else nullcontext():
            assert load(name, told).rows


@pytest.mark.parametrize(("name", "content", "options", "message"), BAD, ids=[case[0] for case in BAD])
def test_a_bad_file_is_refused_with_its_exact_message(
    name: str,
    content: str | bytes,
    options: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError) as caught:
        load(name, options)
    assert str(caught.value) == message
