{{ indicators([
    'psar',
    'supertrend(10)',
]) }}
