{{ indicators([
    'linear_regression(14)',
    'correlation(30)',
    'beta(5)',
]) }}
