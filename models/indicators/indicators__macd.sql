{{ indicators([
    'macd(12, 26, 9)',
    'ppo(12, 26)',
    'apo(12, 26)',
]) }}
