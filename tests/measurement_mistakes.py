"""Mistakes of measurements.csv: what is exchanged for what, and the words to find."""

from clinic_patients import HEADER, MEASUREMENTS

ROW = "kidney_left,Lu-177,SPECT,24,,70,MBq,,"

MEASUREMENT_MISTAKES = {
    "unknown region": (
        "kidney_left",
        "kidny_left",
        ["line 3, column region", "'kidny_left'", "did you mean 'kidney_left'"],
    ),
    "unknown unit": (
        "70,MBq",
        "70,mbq",
        ["line 3, column unit", "unknown unit 'mbq'", "did you mean 'MBq'"],
    ),
    "injected dose": ("70,MBq", "70,%ID", ["'%ID'", "did you mean '%IA'"]),
    "label not given": (
        "Lu-177",
        "Y-90",
        ["line 3, column label", "'Y-90' was not administered", "Lu-177"],
    ),
    "unknown column": (
        "decay_corrected_to_h",
        "decay_corrected",
        [
            "line 2: unknown column 'decay_corrected'",
            "did you mean 'decay_corrected_to_h'",
            "missing column decay_corrected_to_h",
        ],
    ),
    "missing column": ("sd,", "", ["line 2: missing column sd"]),
    "column twice": (
        "region,label",
        "region,region,label",
        ["line 2: column region is given twice"],
    ),
    "semicolons": (
        MEASUREMENTS,
        MEASUREMENTS.replace(",", ";"),
        ["line 2", "separated by semicolons", "commas"],
    ),
    "tabs": (MEASUREMENTS, MEASUREMENTS.replace(",", "\t"), ["line 2", "by tabs"]),
    "decimal comma": (
        "24,,70,",
        "24,,70,5,",
        ["line 3: 10 columns where the header has 9", "decimal comma"],
    ),
    "decimal comma in quotes": (
        "24,,70,",
        '24,,"70,5",',
        ["line 3, column value", "'70,5'", "with a point"],
    ),
    "quotation mark": ("24,,70,", '24,,"70,', ["line 3", "quotation mark"]),
    "short row": (ROW, ROW[:-1], ["line 3: 8 columns", "keeps its comma"]),
    "negative value": ("70,MBq", "-70,MBq", ["line 3, column value", "found -70"]),
    "zero value": ("70,MBq", "0,MBq", ["line 3, column value", "without an sd"]),
    "infinite value": ("70,MBq", "inf,MBq", ["found inf", "finite"]),
    "NaN value": ("70,MBq", "NaN,MBq", ["line 3, column value", "found NaN"]),
    "value beyond numbers": ("70,MBq", "1e999,MBq", ["found 1e999", "finite"]),
    "value is text": ("70,MBq", "<5,MBq", ["found '<5'", "a number alone"]),
    "value blank": ("70,MBq", ",MBq", ["line 3, column value", "is blank"]),
    "region blank": ("kidney_left", "", ["line 3, column region", "is blank"]),
    "modality blank": ("SPECT", "", ["line 3, column modality", "is blank"]),
    "start blank": (
        "SPECT,24,",
        "SPECT,,",
        ["line 3, column start_h", "is blank"],
    ),
    "zero sd": ("MBq,,", "MBq,0,", ["line 3, column sd", "found 0", "above 0"]),
    "negative sd": ("MBq,,", "MBq,-1,", ["line 3, column sd", "found -1"]),
    "time before the administration": (
        "SPECT,24,",
        "SPECT,-1,",
        ["line 3, column start_h", "-1 h", "before the first administration"],
    ),
    "end before start": (
        "SPECT,24,,",
        "SPECT,24,23.5,",
        ["line 3, column end_h", "23.5 h is before the start 24 h"],
    ),
    "duplicate rows": (
        ROW,
        f"{ROW}\n# again\n{ROW}",
        ["line 5: is a duplicate of measurements.csv line 3", "remove one"],
    ),
    "duplicate rows, label blank once": (
        ROW,
        f"{ROW}\nkidney_left,,SPECT,24.0,24,71,MBq,,",
        ["line 4: is a duplicate of measurements.csv line 3"],
    ),
    "empty file": (MEASUREMENTS, "", ["measurements.csv: the file is empty", HEADER]),
    "header only": (
        MEASUREMENTS,
        f"# nothing\n{HEADER}\n\n",
        ["holds the header and no measurement"],
    ),
    "corrected, but to when": (
        "MBq,,\n",
        "MBq,,yes\n",
        ["line 3, column decay_corrected_to_h", "found 'yes'", "0 = start"],
    ),
    "corrected to an event": (
        "MBq,,\n",
        "MBq,,injection\n",
        ["column decay_corrected_to_h", "found 'injection'", "time in h"],
    ),
    "corrected to infinity": (
        "MBq,,\n",
        "MBq,,inf\n",
        ["column decay_corrected_to_h", "found 'inf'"],
    ),
    "corrected by its unit": (
        "70,MBq",
        "70,MBq corrected",
        ["line 3, column unit", "decay_corrected_to_h", "time in h"],
    ),
    "kBq/mL with a mass only": (
        "70,MBq",
        "70,kBq/mL",
        ["line 3, column unit", "'kidney_left'", "density_g_per_mL", "volume_mL"],
    ),
    "%IA/g without a mass": (
        "300,MBq",
        "0.01,%IA/g",
        ["line 7, column unit", "mass of region 'liver'", "[regions.liver]"],
    ),
    "kBq typed as MBq": (
        "24,,70,MBq",
        "24,,70000,MBq",
        ["line 3, column value", "70000 MBq at 24 h", "mend the unit"],
    ),
    "two spellings of a modality": (
        "SPECT,96",
        "Spect,96",
        ["line 4, column modality", "'Spect' is 'SPECT'"],
    ),
    "limit on a region without data": (
        "kidney_right,Lu-177,SPECT,24,,65,MBq,,\n"
        "kidney_right,Lu-177,SPECT,96,,28,MBq,,\n",
        "",
        ["[limits.kidneys]", "no row of kidney_right"],
    ),
}
