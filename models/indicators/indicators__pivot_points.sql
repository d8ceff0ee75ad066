{{ indicators([
    'pivot_points_classic',
    'pivot_points_fibonacci',
]) }}
