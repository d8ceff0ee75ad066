{{ indicators([
    'ichimoku(9, 26, 52)',
]) }}
