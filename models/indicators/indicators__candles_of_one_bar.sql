{{ indicators([
    'candles_of_one_bar',
]) }}
