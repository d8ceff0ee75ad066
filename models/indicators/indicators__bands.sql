{{ indicators([
    'bollinger(20)',
    'keltner(20, 10)',
    'donchian(20)',
]) }}
