{{ indicators([
    'candles_of_more_bars',
]) }}
