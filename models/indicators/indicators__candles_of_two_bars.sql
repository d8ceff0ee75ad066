{{ indicators([
    'candles_of_two_bars',
]) }}
