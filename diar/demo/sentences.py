"""What the voices of the demo say: sentences of about three seconds, and short replies.

Written for this project.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

SENTENCES = (
    "The ferry left the harbour just before the morning fog came in.",
    "My sister keeps three old bicycles in the shed behind the house.",
    "Nobody at the station knew why the evening train was late.",
    "We planted tomatoes in April and ate the first ones in July.",
    "The baker on the corner sells bread that is still warm at noon.",
    "A yellow kite got caught in the branches of the tallest pine.",
    "He wrote the whole letter by hand and forgot to sign it.",
    "Turn left after the bridge and follow the river to the mill.",
    "The museum opens at nine, but the queue begins at seven.",
    "She learned to swim in a lake that was cold even in August.",
    "Our neighbours bought a piano and play it every Sunday morning.",
    "The map shows a path that has not been walked for years.",
    "Please put the blue chairs back when the meeting is over.",
    "It rained so hard that the cellar was full by midnight.",
    "The doctor asked how long the cough had kept him awake.",
    "They counted forty geese flying south above the frozen field.",
    "Grandfather repaired clocks and never once came home on time.",
    "A good soup needs salt, patience and a very large pot.",
    "The second chapter explains how the lighthouse was built by hand.",
    "Two goats escaped last night and ate the mayor's roses.",
    "I would rather walk an hour than wait for that bus.",
    "The choir sang so softly that we could hear the candles.",
    "Every winter the village fills the pond and waits for ice.",
    "Her office looks out on a garden that nobody is allowed to enter.",
    "The recipe says to stir slowly and to think of something pleasant.",
    "Somebody painted the old factory door a bright and cheerful green.",
    "He carried the sleeping child up four flights of narrow stairs.",
    "The library lends umbrellas as well as books when it pours.",
    "Fresh snow covered the tracks before the hunters found the cabin.",
    "You will find the keys under the third stone by the gate.",
    "The orchestra tuned for so long that the audience began to clap.",
    "Most of the apples were too sour to eat and perfect for cider.",
    "A small aeroplane drew a white line across the empty sky.",
    "The judge asked the witness to speak a little more slowly.",
    "We could smell the sea long before we saw the first wave.",
    "The teacher drew a circle on the board and said nothing more.",
    "Half of the money was spent on shoes and half on music.",
    "There was a cat asleep on every roof of the old town.",
    "The engineer measured the bridge twice and trusted neither result.",
    "Cold tea and dry biscuits were all that the waiter could offer.",
    "In spring the road to the monastery is closed by mud.",
    "He bought a telescope and discovered that his street has no stars.",
    "The children built a castle and defended it against the tide.",
    "Her voice on the radio made the kitchen feel less empty.",
    "A broken window let the swallows into the upper hall.",
    "The farmer knows each of his cows by the sound of her bell.",
    "They moved the piano through the window with ropes and bad language.",
    "The judge of the cake contest refused to taste another slice.",
    "Thunder rolled over the hills while the picnic was being packed.",
    "You can borrow my boots if you promise to bring them back dry.",
    "The watchman whistles the same tune on every round of the yard.",
    "An old photograph fell out of the dictionary at the letter Q.",
    "The carpenter charges by the hour and works by the century.",
    "No ship has used this channel since the lighthouse went dark.",
    "She poured the coffee, opened the window and began to read.",
    "The tailor shortened the sleeves and lengthened the bill.",
    "Wild thyme grows between the stones of the ruined chapel.",
    "The pilot announced a view of the volcano on the right side.",
    "We missed the last tram and walked home through the quiet park.",
    "The printer jammed exactly one minute before the office closed.",
    "My uncle can name every king but not a single cousin.",
    "The tide leaves pools in which tiny crabs wait for the night.",
    "Someone had tied a red ribbon around the neck of the statue.",
    "The shop sells candles, string and all sorts of rusty nails.",
    "He opened the parcel with great care and found another parcel inside.",
    "The wind took her hat and dropped it into the fountain.",
    "Bring a lamp, because the stairs to the tower have no light.",
    "The last page of the diary was written in green ink.",
    "Both brothers claim to have invented the same kind of jam.",
    "Before the concert the drummer fell asleep under the stage.",
    "A narrow canal joins the two lakes a mile north of here.",
    "The gardener talks to the roses and argues with the weeds.",
)

REPLIES = (
    "That is exactly what I told him.",
    "I am not so sure about that.",
    "You cannot be serious.",
    "Well, it depends on the weather.",
    "Nobody ever tells me anything.",
    "And what happened after that?",
    "I have heard this story before.",
    "Let me think about it for a moment.",
    "It was the other way round.",
    "We should ask somebody who knows.",
    "Yes, that sounds about right.",
    "Please go on, I am listening.",
    "How did you find out?",
    "No, I have never been there.",
    "That would explain the noise.",
    "Good, then we agree for once.",
)


def endless(texts: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    """Yield all texts in random order, again and again."""
    while True:
        for i in rng.permutation(len(texts)):
            yield texts[i]
