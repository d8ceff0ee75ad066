{{ indicators([
    'sma(20)',
    'sma(50)',
    'sma(200)',
    'ema(20)',
    'ema(50)',
    'ema(200)',
    'kama(30)',
]) }}
