"""What a medical physicist touches: patient files, results, report, command line."""
