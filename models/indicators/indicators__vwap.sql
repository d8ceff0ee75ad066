{{ indicators([
    'vwap',
]) }}
