{{ indicators([
    'obv',
    'ad',
    'adosc(3, 10)',
    'mfi(14)',
    'cmf(20)',
]) }}
