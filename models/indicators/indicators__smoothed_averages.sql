{{ indicators([
    'wma(20)',
    'dema(20)',
    'tema(20)',
    'trima(20)',
    'hma(20)',
    't3(5)',
]) }}
