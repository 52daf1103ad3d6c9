#!/usr/bin/env bash
# From audio files to one folder per speaker and to who spoke when, on a fresh machine: install, fetch weights,
# run both stages.
#
#   bash launch/quickstart.sh [AUDIO_DIR] [RESULT_DIR]
#
# AUDIO_DIR    a folder of audio files. Without it, a labelled demo archive is made by speech synthesis, and the
#              result is scored against its labels.
# RESULT_DIR   where everything goes, ./diar-result if not given. Run it again to go on after an interruption.
#
# TASK=files   only where one speaker's files end and the next one's begin, for recordings of one speaker each
# TASK=turns   only who speaks when inside every recording, for conversations
# TASK=all     both (the default)
#
# It uses all GPUs, or all cores. PYTHON=python3.12 picks another interpreter.
set -euo pipefail

if [[ ${1:-} == -h || ${1:-} == --help || $# -gt 2 ]]; then
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
    exit $(($# > 2 ? 2 : 0))
fi

# shellcheck source=launch/install.sh
source "$(dirname "$0")/install.sh"
audio=${1:-}
result=${2:-diar-result}
task=${TASK:-all}
truth=

if [[ -n $audio && ! -e $audio ]]; then
    echo "error: AUDIO_DIR $audio does not exist" >&2
    exit 2
fi
if [[ $task != files && $task != turns && $task != all ]]; then
    echo "error: TASK is '$task', not files, turns or all" >&2
    exit 2
fi

install_diar demo,score
mkdir -p "$result"
if [[ -z $audio ]]; then
    audio="$result/demo/audio"
    truth="$result/demo/truth" # .csv and .rttm
    if [[ ! -f $truth.rttm ]]; then
        rm -rf "$result/demo.unfinished"
        "$python" -m diar demo "$result/demo.unfinished" | sed -n 1p
        mv "$result/demo.unfinished" "$result/demo"
    fi
fi

failed_files=0
run() { # exit code 3: done, but some recordings failed, which is reported at the end
    local code=0
    "$python" "$@" || code=$?
    if ((code == 3)); then
        failed_files=3
    elif ((code)); then
        exit "$code"
    fi
}

echo "stage 1: embeddings of $audio" >&2
run "$repository/extract_embeddings_multigpu.py" --input_dir "$audio" --output_dir "$result/embeddings"
echo "stage 2: speakers" >&2
true_turns=${truth:+$truth.rttm}
if [[ $task == files ]]; then true_turns=; fi # only turns have a reference
run "$repository/detect_boundaries.py" --embeddings_dir "$result/embeddings" --output_dir "$result/result" \
    --task "$task" ${true_turns:+--reference "$true_turns"}

if [[ -n $truth && $task != turns ]]; then
    echo
    echo "files against the labels of the demo:"
    "$python" -m diar score boundaries --truth "$truth.csv" \
        --result "$result/result/speaker_boundary_detection_result.json"
fi
if [[ -n $truth && $task != files ]]; then
    echo
    echo "turns against the labels of the demo (files of one speaker only in the sum):"
    "$python" -m diar score der --reference "$truth.rttm" --hypothesis "$result/result/all.rttm" |
        grep -v '^part_[0-9]*/[0-9]*\.wav '
fi

echo
echo "one look at it    $result/result/index.html"
if [[ $task != turns ]]; then
    cat <<END
speaker folders   $result/result/speaker_*/
boundaries        $result/result/boundary_detection_visualization.png
                  $result/result/speaker_boundary_detection_result.json, files.csv
END
fi
if [[ $task != files ]]; then
    cat <<END
who spoke when    $result/result/all.rttm, recordings.csv, speakers.csv
each recording    $result/result/recordings/FILE/timeline.png, turns.rttm, turns.json
END
fi
if [[ -n $truth && $task != files ]]; then
    find "$result/result/recordings" -path '*_conversation.wav/timeline.png' | sort | sed 's/^/                  /'
fi
echo "embeddings        $result/embeddings/ (stage 2 can be run again with other options, see --help)"
if ((failed_files)); then
    echo "some recordings failed: $python -m diar status '$result/embeddings' --failures"
fi
exit "$failed_files"
