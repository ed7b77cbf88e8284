"""Snakemake's ``--config`` on this workflow."""

from running import PLACE, snakemake


def test_nested_numbers_and_false_are_what_they_say(tmp_path):
    change = ["--config", 'study={"seeds":[4,5],"figures":["accuracy"]}', "batch_seeds=false"]
    result = snakemake("--dry-run", *change, folder=tmp_path)
    printed = result.stdout + result.stderr
    # Each seed is a job of its own, and what the study says besides stands.
    for seed in (4, 5):
        assert f"log: results/logs/unlearn/{PLACE}/rmu/rna/seed{seed}.log" in printed
    assert "/seed0/" not in printed and "/seed2/" not in printed


def test_text_that_is_no_mapping_is_refused_by_one_line(tmp_path):
    result = snakemake("--dry-run", "--config", 'study={"seeds":[0,1}', folder=tmp_path, check=False)
    printed = result.stdout + result.stderr
    assert result.returncode and "configuration: study: must be a mapping, not" in printed
    assert "Traceback" not in printed


def test_debug_shows_the_traceback_before_the_line(tmp_path):
    result = snakemake("--dry-run", "--debug", "--config", 'study={"seeds":[-1]}', folder=tmp_path, check=False)
    before, line = (result.stdout + result.stderr).split(
        "configuration: study.seeds.0: -1 is less than the minimum of 0"
    )
    assert result.returncode and "Traceback" in before and "in check_shape" in before and line.strip() == ""
