"""Write a table of measured jobs from the benchmark files of a finished study.

Usage: python tests/estimate/measure.py results/rna/benchmark_times > tests/estimate/measured-matrices.csv
"""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print("rule,about,seconds,memory_mb")
    for path in sorted(folder.rglob("*.jsonl")):
        measured = json.loads(path.read_text().splitlines()[0])
        rule, _, about = path.relative_to(folder).with_suffix("").as_posix().partition("/")
        print(f"{rule},{about},{measured['s']:.1f},{measured['max_rss']:.0f}")
