{{ session_to_cutoff_query(
    traded_to_cutoff=ref('scanners__traded_to_cutoff'),
) }}
order by session_date, cutoff_time, symbol
