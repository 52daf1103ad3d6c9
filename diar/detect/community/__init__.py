"""Turns as pyannote.audio's pipeline community-1 finds them: VBx, assignment, frames."""
