{{ indicators([
    'pivot_points_camarilla',
]) }}
