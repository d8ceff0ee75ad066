{{ indicators([
    'candles_of_three_bars',
]) }}
