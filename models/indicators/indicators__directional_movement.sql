{{ indicators([
    'directional_movement(14)',
    'vortex(14)',
    'aroon(14)',
]) }}
