{{ indicators([
    'true_range',
    'atr(14)',
    'natr(14)',
    'stddev(20)',
    'variance(20)',
    'chaikin_volatility(10)',
]) }}
