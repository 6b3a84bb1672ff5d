#!/usr/bin/env bash
# What an image must be able to do: its commands are there, and a tiny job runs from end to end and holds its promises.
# Reads no file beside it, so that a container can have it on its standard input.
set -euo pipefail

curation --help >/dev/null
python -m jobs.curate --help >/dev/null
ray --version

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python - <<'PYTHON'
import json
import random

words = [["river", "lake", "rain", "fish"], ["engine", "wheel", "brake", "road"], ["violin", "choir", "opera", "song"]]
chance = random.Random(0)
with open("corpus.jsonl", "w") as file:
    for number in range(300):
        text = " ".join(chance.choices(words[number % 3], k=40))
        file.write(json.dumps({"text": f"{number} {text}"}) + "\n")
PYTHON
cat >job.yaml <<'YAML'
run_dir: run
sources: [{domain: web, path: corpus.jsonl}]
embedding: {model: lexical}
clustering: {clusters: 3}
resources: {object_store_bytes: 100_000_000}
YAML
curation run job.yaml
curation verify run
