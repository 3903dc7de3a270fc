from pocketlm.core.verbs import callable_room

callable_room(__name__, "evaluate", "evaluate")
