"""Who speaks in the conversations of words_synthesis.py: mixtures of styles that package indexes carry."""

STYLES = {  # of Kokoro's five styles; weights below 0 lead away from one
    "kumo": {"jm_kumo": 1.0},
    "deep": {"jm_kumo": 1.4, "jf_alpha": -0.4},
    "bright": {"jm_kumo": 0.6, "jf_alpha": 0.4},
    "soft": {"jm_kumo": 0.65, "jf_gongitsune": 0.35},
    "alpha": {"jf_alpha": 1.0},
    "gongitsune": {"jf_gongitsune": 1.0},
    "clear": {"jf_gongitsune": 1.4, "jm_kumo": -0.4},
    "nezumi": {"jf_nezumi": 1.0},
    "tebukuro": {"jf_tebukuro": 1.0},
    "dark": {"jf_tebukuro": 1.4, "jf_alpha": -0.4},
    # those of HELD_OUT, first cast
    "plain": {"jm_kumo": 1.25, "jf_tebukuro": -0.25},
    "mild": {"jf_alpha": 0.5, "jf_tebukuro": 0.5},
    "crisp": {"jf_nezumi": 1.3, "jf_gongitsune": -0.3},
    "round": {"jf_tebukuro": 0.6, "jf_nezumi": 0.4},
    "even": {"jm_kumo": 0.75, "jf_nezumi": 0.25},
    "broad": {"jm_kumo": 1.35, "jf_gongitsune": -0.35},
    "light": {"jf_alpha": 1.3, "jm_kumo": -0.3},
    "calm": {"jf_gongitsune": 0.5, "jf_tebukuro": 0.5},
    "firm": {"jm_kumo": 0.6, "jf_tebukuro": 0.4},
    # second cast
    "tall": {"jm_kumo": 0.5, "jf_gongitsune": 0.5},
    "sweet": {"jf_alpha": 0.7, "jf_nezumi": 0.3},
    "old": {"jf_tebukuro": 1.25, "jf_nezumi": -0.25},
    "low": {"jm_kumo": 1.2, "jf_nezumi": -0.2},
    "thin": {"jf_nezumi": 0.7, "jf_alpha": 0.3},
    "warm": {"jf_gongitsune": 0.7, "jf_alpha": 0.3},
    "sharp": {"jf_nezumi": 1.2, "jm_kumo": -0.2},
    "grey": {"jm_kumo": 0.9, "jf_gongitsune": 0.4, "jf_alpha": -0.3},
    "quick": {"jm_kumo": 0.7, "jf_alpha": 0.3},
}
SPEED = {"deep": 1.08, "nezumi": 1.1, "tebukuro": 0.95, "bright": 1.05}
CAST = {
    "harbour": ("bright", "alpha"),
    "garden": ("gongitsune", "deep", "alpha"),
    "interview": ("kumo", "nezumi"),
    "kitchen": ("alpha", "deep", "clear", "bright"),
    "museum": ("tebukuro", "kumo", "bright"),
    "train": ("soft", "dark"),
}
HELD_OUT_CASTS = {  # the same conversations by other voices
    1: {
        "bakery": ("plain", "mild", "crisp"),
        "observatory": ("round", "even"),
        "allotment": ("broad", "light", "calm", "firm"),
    },
    2: {
        "bakery": ("tall", "sweet", "old"),
        "observatory": ("low", "thin"),
        "allotment": ("warm", "sharp", "grey", "quick"),
    },
}
