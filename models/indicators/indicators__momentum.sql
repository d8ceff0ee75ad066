{{ indicators([
    'rsi(14)',
    'cmo(14)',
    'roc(10)',
    'momentum(10)',
    'cci(20)',
    'trix(15)',
    'ultimate(7, 14, 28)',
]) }}
