"""Published records: what comes back is what was published, but for digits that no answer needs."""

from pathlib import Path

import numpy
import pandas
import pytest
from scipy.special import log_softmax
from synthetic import ONLY_RMU, study, write_study

from unlearning_robustness.errors import DataError
from unlearning_robustness.evaluation.publication import FILES, RECORDS, STEP, main, pack, unpack
from unlearning_robustness.scoring.records import COLUMNS, read

WORDS = ("ja", "naïve", "two words", "x")


@pytest.fixture
def recorded(tmp_path) -> list[Path]:
    """Records of a small study whose means and entropies follow from their scores, and a manifest beside each."""
    generator, paths = numpy.random.default_rng(3), write_study(study(cells=ONLY_RMU), tmp_path / "study")
    tokens, sizes = numpy.array([1, 2, 3, 1]), numpy.array([len(word.encode()) for word in WORDS])
    for path in paths:
        rows = pandas.read_parquet(path)
        scores = -generator.exponential(9.0, (len(rows), 4)).astype("float32")
        logs = log_softmax(scores.astype(float), axis=1)
        rows = rows.assign(
            choices=[list(WORDS)] * len(rows), log_likelihoods=list(scores),
            token_means=list(scores / tokens.astype("float32")), byte_means=list(scores / sizes.astype("float32")),
            entropy=-(numpy.exp(logs) * logs).sum(1).astype("float32"),
        )  # fmt: skip
        rows.to_parquet(path, index=False, compression="zstd")
        path.with_name("manifest.json").write_text('{"cpu_seconds": 2}\n')
    return [*paths, *(path.with_name("manifest.json") for path in paths)]


def published(recorded, tmp_path) -> Path:
    pack(recorded, tmp_path / "study", tmp_path / "published", study="laptop")
    return tmp_path / "published"


def test_what_comes_back_is_what_was_published_but_for_a_thousandth_of_a_nat(recorded, tmp_path):
    paths = unpack(published(recorded, tmp_path), tmp_path / "again")
    names = {path.relative_to(tmp_path / "study") for path in recorded}
    assert {path.relative_to(tmp_path / "again") for path in paths} == names
    for path in recorded:
        other = tmp_path / "again" / path.relative_to(tmp_path / "study")
        if path.suffix == ".json":
            assert other.read_bytes() == path.read_bytes()
            continue
        before, after = read([path]), read([other])
        assert list(after) == list(COLUMNS) and (before.dtypes == after.dtypes).all()
        for name in COLUMNS:
            if name in ("log_likelihoods", "token_means", "byte_means"):
                one, two = numpy.stack(before[name]), numpy.stack(after[name])
                assert two.dtype == one.dtype and 0 < abs(one - two).max() <= STEP / 2 + 1e-6, name
            elif name == "entropy":
                assert abs(before[name] - after[name]).max() < 2 * STEP
            elif name == "choices":
                assert before[name].map(list).tolist() == after[name].map(list).tolist()
            else:
                assert before[name].equals(after[name]), name


def test_the_same_records_are_published_as_the_same_bytes_and_smaller(recorded, tmp_path):
    folder = published(recorded, tmp_path)
    first = {name: (folder / name).read_bytes() for name in (RECORDS, FILES)}
    published(reversed(recorded), tmp_path)
    assert first == {name: (folder / name).read_bytes() for name in (RECORDS, FILES)}
    assert sum(map(len, first.values())) < sum(path.stat().st_size for path in recorded) / 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (RECORDS, b"", "records.parquet is missing or has changed"),
        (FILES, None, "files.parquet is missing or has changed"),
        ("manifest.json", None, "manifest.json is missing or damaged"),
        ("manifest.json", b"{}", "manifest.json is missing or damaged"),
    ],
)
def test_what_changed_since_is_refused_in_one_line(recorded, tmp_path, capsys, name, content, said):
    folder = published(recorded, tmp_path)
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    assert main([str(folder), str(tmp_path / "again")]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "again").exists()
    with pytest.raises(DataError, match=said):
        unpack(folder, tmp_path / "again")


def test_results_that_are_there_are_not_overwritten(recorded, tmp_path):
    folder, before = published(recorded, tmp_path), recorded[0].read_bytes()
    with pytest.raises(DataError, match="is there already"):
        unpack(folder, tmp_path / "study")
    assert recorded[0].read_bytes() == before
