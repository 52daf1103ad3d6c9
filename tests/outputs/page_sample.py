"""Tables as `task=turns` writes them, of any size and at once."""

from pathlib import Path

COLUMNS = (
    "rttm_id,recording_id,path,folder,status,error,duration,speakers,turns,speech_seconds,overlap_seconds,"
    "warnings,offset,label\n"
)


def person(number: int) -> str:
    """Return a name; the second one would load a picture if it were HTML."""
    return "</script><img/src=x>" if number == 1 else f"person_{number:04d}"


def write_turns(folder: Path, *, recordings: int, turns: int, people: int = 50) -> None:
    """Every hundredth recording has failed; turns of 1.5 s every 2 s go around three people."""
    rows, lines = [COLUMNS], []
    for number in range(recordings):
        name = f"part_{number % 7}/call_{number:06d}.wav"
        if number % 100 == 99:
            rows.append(f'{name},{name},/audio/{name},,undecodable,"no audio, 1 <byte>",,,,,,,,\n')
            continue
        seconds = f"{2 * turns + number % 5}.0"
        rows.append(
            f"{name},{name},/audio/{name},recordings/{name},ok,,{seconds},3,{turns},{1.5 * turns},0.0,,,\n"
        )
        who = [person((number + one) % people) for one in range(3)]
        lines += [
            f"SPEAKER {name} 1 {2 * turn}.0 1.5 <NA> <NA> {who[turn % 3]} <NA> <NA>\n"
            for turn in range(turns)
        ]
    found = [f"{person(number)},{person(number)},no,3,{people - number}.0,5\n" for number in range(people)]
    head = "speaker_id,name,known,num_recordings,speech_seconds,turns\n"
    for name, text in {"recordings.csv": rows, "all.rttm": lines, "speakers.csv": [head, *found]}.items():
        (folder / name).write_text("".join(text), encoding="utf-8")
