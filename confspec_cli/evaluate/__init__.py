"""Problems with known answers: graders, statistics, calibration, results."""
