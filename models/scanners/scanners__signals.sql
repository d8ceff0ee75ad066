{{ signals_query(data_version=ref('bars__data_version')) }}
order by session_date, known_ts, scanner, preset, signal_rank
