{{ indicators([
    'stochastic(14, 3, 3)',
    'fast_stochastic(14, 3)',
    'stochastic_rsi(14, 14, 3)',
    'williams_r(14)',
]) }}
