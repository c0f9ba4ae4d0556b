"""What the checks of the source have in common: which files, and C without its comments."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("include", "src", "firmware", "tests")


def c_files(suffixes=(".c", ".h"), folders=FOLDERS):
    """All C files of ours, relative to the root, sorted."""
    found = []
    for folder in folders:
        found += [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    return sorted(found)


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


_TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def bare(text):
    """C with comments, strings and characters blanked, every line where it was."""

    def blank(match):
        token = match.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1]

    return _TOKENS.sub(blank, text)


def finish(name, problems, summary):
    """Prints what was found; the exit code."""
    for problem in problems:
        print(problem)
    print(f"{name}: {len(problems)} problems" if problems else f"{name}: {summary}")
    return 1 if problems else 0


def run(argv, **options):
    return subprocess.run([str(word) for word in argv], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **options)


def die(text):
    print(text, file=sys.stderr)
    sys.exit(2)
