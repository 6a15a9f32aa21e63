"""Mistakes of patient.toml: what is exchanged for what, and the words to find."""

TWO_LABELS = """
[[administration]]
time_h = 0.0
duration_h = 0.0
ligand = "dotatate"
label = "Y-90"
activity_MBq = 100.0

[regions.kidney_left]"""

PATIENT_MISTAKES = {
    "unknown key": (
        "body_mass_kg",
        "body_mas_kg",
        ["[patient] body_mas_kg", "unknown key", "did you mean 'body_mass_kg'"],
    ),
    "unknown table": (
        "[regions.liver]",
        "[region.liver]",
        ["[region]", "unknown key", "did you mean 'regions'"],
    ),
    "key of another table": (
        "confidence = 0.95",
        "confidence = 0.95\nmass_g = 3.0",
        ["[decision] mass_g", "belongs to [regions]", "confidence"],
    ),
    "key of another list": (
        "mass_g = 160.0",
        "mass_g = 160.0\nactivity_MBq = 1.0",
        ["[regions.kidney_left] activity_MBq", "belongs to [[administration]]"],
    ),
    "missing table": (
        "[decision]\nconfidence = 0.95",
        "",
        ["[decision] is missing", "confidence"],
    ),
    "missing key": (
        "activity_MBq = 7400.0\n",
        "",
        ["[[administration]] number 1 activity_MBq is missing", "MBq, above 0"],
    ),
    "missing confidence": (
        "confidence = 0.95",
        "",
        ["[decision] confidence is missing", "between 0.5 and 1"],
    ),
    "one table where a list belongs": (
        "[[plan]]",
        "[plan]",
        ["[[plan]]", "found the table [plan]", "write [[plan]], with two brackets"],
    ),
    "unknown label": (
        'label = "Lu-177"',
        'label = "177lu"',
        ["number 1 label", "'177lu' is not a known label", "did you mean 'Lu-177'"],
    ),
    "unknown planned label": (
        'label = "Y-90"',
        'label = "Y-91"',
        ["[[plan]] number 1 label", "'Y-91'", "did you mean 'Y-90'"],
    ),
    "unknown organ": (
        'organ = "liver"',
        'organ = "livr"',
        ["[regions.liver] organ", "'livr' is not a known organ", "'liver'?"],
    ),
    "unknown sex": (
        'sex = "female"',
        'sex = "F"',
        ["[patient] sex", "found 'F'", '"male" or "female"'],
    ),
    "unknown region in a group": (
        '"kidney_right"]',
        '"kidny_right"]',
        ["[groups.kidneys] regions", "'kidny_right'", "did you mean 'kidney_right'"],
    ),
    "region twice in a group": (
        '["kidney_left", "kidney_right"]',
        '["kidney_left", "kidney_left", "kidney_right"]',
        ["[groups.kidneys] regions", "'kidney_left' is listed twice"],
    ),
    "empty group": (
        '["kidney_left", "kidney_right"]',
        "[]",
        ["[groups.kidneys] regions", "found an empty list", "region names"],
    ),
    "group of two organs": (
        '["kidney_left", "kidney_right"]',
        '["kidney_left", "kidney_right", "liver"]',
        ["[groups.kidneys]", "liver (liver)", "of one organ"],
    ),
    "group with a region's name": (
        "[groups.kidneys]",
        "[groups.liver]",
        ["[groups.liver]", "a region has this name too", "rename"],
    ),
    "name that is none": (
        "[regions.liver]",
        '[regions."my liver"]',
        ["[regions.", "'my liver' cannot name", "underscores"],
    ),
    "negative activity": (
        "7400.0",
        "-7400.0",
        ["[[administration]] number 1 activity_MBq", "found -7400.0", "above 0"],
    ),
    "zero activity": ("7400.0", "0", ["activity_MBq", "found 0", "above 0"]),
    "infinite activity": ("7400.0", "inf", ["activity_MBq", "found inf", "above 0"]),
    "NaN activity": ("7400.0", "nan", ["activity_MBq", "found nan", "above 0"]),
    "activity in quotes": (
        "7400.0",
        '"7400"',
        ["activity_MBq", "found '7400' in quotes", "take them off"],
    ),
    "activity is no number": ("7400.0", "true", ["activity_MBq", "found true"]),
    "activity too large for a number": (
        "7400.0",
        "1" + 400 * "0",
        ["activity_MBq", "found 1000", "above 0"],
    ),
    "zero ligand mass": (
        "ligand_mass_ug = 200.0",
        "ligand_mass_ug = 0.0",
        ["ligand_mass_ug", "found 0.0", "above 0", "leave the key out"],
    ),
    "negative mass": (
        "mass_g = 160.0",
        "mass_g = -160.0",
        ["[regions.kidney_left] mass_g", "found -160.0", "above 0"],
    ),
    "mass without its uncertainty": (
        "mass_g = 160.0\nmass_cv = 0.05",
        "mass_g = 160.0",
        ["[regions.kidney_left]", "mass_cv is missing", "0.05 is usual", "0 is exact"],
    ),
    "uncertainty without mass": (
        "mass_g = 160.0\n",
        "",
        ["[regions.kidney_left]", "mass_cv is given without a mass", "add mass_g"],
    ),
    "uncertainty in percent": (
        "mass_cv = 0.05",
        "mass_cv = 5",
        ["[regions.kidney_left] mass_cv", "found 5", "as a fraction"],
    ),
    "mass, volume and density disagree": (
        "mass_g = 160.0",
        "mass_g = 160.0\nvolume_mL = 110.0\ndensity_g_per_mL = 1.05",
        ["[regions.kidney_left]", "1.455 g/mL", "density_g_per_mL is 1.05"],
    ),
    "mass over volume is no tissue": (
        "mass_g = 160.0",
        "mass_g = 160.0\nvolume_mL = 0.15",
        ["[regions.kidney_left]", "g/mL", "mend the one that is wrong"],
    ),
    "haematocrit in percent": (
        "body_mass_kg = 70",
        "haematocrit = 45",
        ["[patient] haematocrit", "found 45", "0.45, not 45"],
    ),
    "creatinine in umol/L": (
        "body_mass_kg = 70",
        "serum_creatinine = 80.0",
        ["serum_creatinine", "found 80.0", "umol/L divided by 88.4"],
    ),
    "confidence of one": (
        "confidence = 0.95",
        "confidence = 1",
        ["[decision] confidence", "found 1", "between 0.5 and 1"],
    ),
    "confidence of less than a coin": (
        "confidence = 0.95",
        "confidence = 0.05",
        ["[decision] confidence", "found 0.05", "between 0.5 and 1"],
    ),
    "confidence in percent": (
        "confidence = 0.95",
        "confidence = 95",
        ["[decision] confidence", "found 95", "as 0.95"],
    ),
    "confidence of zero": ("confidence = 0.95", "confidence = 0", ["found 0"]),
    "first administration not at zero": (
        "time_h = 0.0",
        "time_h = 2.0",
        ["[[administration]] time_h", "starts at 2 h", "time zero"],
    ),
    "negative time": (
        "time_h = 0.0",
        "time_h = -1.0",
        ["time_h", "found -1.0", "0 or more"],
    ),
    "more activity than carrier-free": (
        "ligand_mass_ug = 200.0",
        "ligand_mass_ug = 5.0",
        ["activity_MBq 7400", "5 ug (3.483 nmol)", "2531 MBq", "ligand_mass_ug"],
    ),
    "several ligands": (
        "\n[regions.kidney_left]",
        TWO_LABELS.replace("dotatate", "pentixather"),
        ["dotatate, pentixather", "organ_exchange fits one ligand"],
    ),
    "plan of another ligand": (
        '[[plan]]\nligand = "dotatate"',
        '[[plan]]\nligand = "pentixather"',
        ["[[plan]] number 1 ligand", "'pentixather' was not administered", "dotatate"],
    ),
    "one label planned twice": (
        "[limits.kidneys]",
        '[[plan]]\nligand = "dotatate"\nlabel = "Y-90"\nduration_h = 0\n'
        "[limits.kidneys]",
        ["[[plan]] label", "Y-90 is planned 2 times"],
    ),
    "blank patient": (
        'id = "test"',
        'id = " "',
        ["[patient] id", "found ' '", "not blank"],
    ),
    "wrong format tag": (
        "pkmodels-patient/1",
        "pkmodels-patient/2",
        ["format", "'pkmodels-patient/2'", '"pkmodels-patient/1"'],
    ),
    "no format tag": (
        'format = "pkmodels-patient/1"',
        "",
        ["format is missing", 'format = "pkmodels-patient/1"'],
    ),
    "TOML syntax": (
        'ligand = "dotatate"',
        "ligand = dotatate",
        ["patient.toml", "not valid TOML", "line 11", "ligand = dotatate", "quotes"],
    ),
    "decimal comma in TOML": ("7400.0", "7400,0", ["not valid TOML", "7400,0"]),
    "key given twice": (
        "confidence = 0.95",
        "confidence = 0.95\nconfidence = 0.9",
        ["not valid TOML", "confidence = 0.9'", "once"],
    ),
    "kidneys and marrow not mentioned": (
        "[limits.kidneys]\nabsorbed_dose_Gy = 23.0\n\n[limits.red_marrow]\nwaived = "
        'true\nreason = "no marrow data"',
        "[limits.liver]\nwaived = true\nreason = 'none'",
        ["[limits.kidneys] is missing", "[limits.red_marrow] is missing", "waived"],
    ),
    "marrow misspelled": (
        "[limits.red_marrow]",
        "[limits.redmarrow]",
        ["[limits.red_marrow] is missing", "[limits.redmarrow] is not that name"],
    ),
    "one kidney without a limit": (
        "[limits.kidneys]",
        "[limits.kidney_left]",
        ["kidney_right (organ kidney) has no limit", "limit each"],
    ),
    "limit of nothing": (
        "[limits.kidneys]",
        "[limits.kidnys]",
        ["[limits.kidnys]", "no region or group", "did you mean 'kidneys'"],
    ),
    "limit without a value": (
        "absorbed_dose_Gy = 23.0",
        "",
        ["[limits.kidneys]", "gives no limit", "exactly one"],
    ),
    "two limits in one": (
        "absorbed_dose_Gy = 23.0",
        "absorbed_dose_Gy = 23.0\nbed_Gy = 40.0",
        ["[limits.kidneys]", "absorbed_dose_Gy and bed_Gy", "different limits"],
    ),
    "limit and waiver": (
        "absorbed_dose_Gy = 23.0",
        'absorbed_dose_Gy = 23.0\nwaived = true\nreason = "x"',
        ["[limits.kidneys]", "absorbed_dose_Gy and waived", "exactly one"],
    ),
    "negative limit": (
        "absorbed_dose_Gy = 23.0",
        "absorbed_dose_Gy = -23.0",
        ["[limits.kidneys] absorbed_dose_Gy", "found -23.0", "above 0"],
    ),
    "limit in cGy": (
        "absorbed_dose_Gy = 23.0",
        "absorbed_dose_Gy = 2300.0",
        ["[limits.kidneys] absorbed_dose_Gy", "found 2300.0", "Gy, above 0 and at mos"],
    ),
    "limit of BED in cGy": (
        "absorbed_dose_Gy = 23.0",
        "bed_Gy = 501.0",
        ["[limits.kidneys] bed_Gy", "found 501.0", "at most 500"],
    ),
    "infusion in seconds": (
        "duration_h = 0.5",
        "duration_h = 1800.0",
        ["[[plan]] number 1 duration_h", "found 1800.0", "at most 1000"],
    ),
    "syringe emptied in seconds": (
        "duration_h = 0.0",
        "duration_h = 1800.0",
        ["[[administration]] number 1 duration_h", "found 1800.0", "at most 1000"],
    ),
    "waiver without reason": (
        'reason = "no marrow data"',
        "",
        ["[limits.red_marrow]", "waived without a reason"],
    ),
    "waiver with a blank reason": (
        'reason = "no marrow data"',
        'reason = ""',
        ["[limits.red_marrow] reason", "blank"],
    ),
    "reason without waiver": (
        "absorbed_dose_Gy = 23.0",
        'absorbed_dose_Gy = 23.0\nreason = "x"',
        ["[limits.kidneys]", "not waived"],
    ),
    "limit of a region without mass": (
        "[limits.red_marrow]",
        "[limits.liver]\nabsorbed_dose_Gy = 30.0\n[limits.red_marrow]",
        ["[limits.liver] needs the mass", "CT, not phantom", "[regions.liver]"],
    ),
    "not counting without reason": (
        "confidence = 0.95",
        "confidence = 0.95\ncount_administrations = false",
        ["[decision]", "say why", "count_reason"],
    ),
    "reason of not counting while counting": (
        "confidence = 0.95",
        'confidence = 0.95\ncount_reason = "x"',
        ["[decision]", "count_reason belongs to"],
    ),
    "truth in quotes": (
        "waived = true",
        'waived = "true"',
        ["[limits.red_marrow] waived", "found 'true'", "no quotes"],
    ),
    "calibration of nothing": (
        "[calibration.SPECT]",
        "[calibration.SPEC]",
        ["[calibration.SPEC]", "no such modality", "did you mean 'SPECT'"],
    ),
    "calibration of a wrong word": (
        "cv = 0.05\n\n[[plan]]",
        'cv = "fre"\n\n[[plan]]',
        ["[calibration.SPECT] cv", "found 'fre'", '"free"'],
    ),
    "calibration in percent": (
        "cv = 0.05\n\n[[plan]]",
        "cv = 5\n\n[[plan]]",
        ["[calibration.SPECT] cv", "found 5", "as a fraction"],
    ),
    "unknown calibration scope": (
        'scope = "modality"',
        'scope = "scan"',
        ["[calibration.SPECT] scope", "found 'scan'", '"region"'],
    ),
    "free calibration of all regions": (
        "cv = 0.05\n\n[[plan]]",
        'cv = "free"\n\n[[plan]]',
        ["[calibration.SPECT] cv", 'needs scope = "region"'],
    ),
    "free calibration alone": (
        'scope = "modality"\ncv = 0.05',
        'scope = "region"\ncv = "free"',
        ["[calibration.SPECT] cv", "another modality", "kidney_left"],
    ),
    "both kidneys in one region beside one of them": (
        '[regions.kidney_right]\norgan = "kidney"',
        '[regions.kidney_right]\norgan = "kidneys"',
        ["[groups.kidneys]", "kidney_right (kidneys)", "of one organ"],
    ),
    "both kidneys beside one": (
        '[regions.liver]\norgan = "liver"',
        '[regions.all_kidneys]\norgan = "kidneys"',
        ["all_kidneys, kidney_left, kidney_right", "keep it alone", "each kidney"],
    ),
    "two left kidneys": (
        'organ = "kidney"\nmass_g = 160.0\nmass_cv = 0.05\n\n[regions.kidney_right]\n',
        'organ = "kidney"\nside = "left"\nmass_g = 160.0\nmass_cv = 0.05\n\n'
        '[regions.kidney_right]\nside = "left"\n',
        ["kidney_left, kidney_right are both the left kidney", "mend the side"],
    ),
    "side of both kidneys": (
        'organ = "kidney"',
        'organ = "kidneys"\nside = "left"',
        ["[regions.kidney_left]", "side is given for organ 'kidneys'", "one kidney"],
    ),
    "side of an organ without sides": (
        'organ = "liver"',
        'organ = "liver"\nside = "right"',
        ["[regions.liver]", "side is given for organ 'liver'"],
    ),
    "unknown side": (
        'organ = "kidney"',
        'organ = "kidney"\nside = "L"',
        ["[regions.kidney_left] side", "found 'L'", '"left" or "right"'],
    ),
    "voxel without resolution": (
        "mass_g = 160.0\nmass_cv = 0.05",
        "mass_g = 160.0\ndensity_g_per_mL = 1.05\nvoxel_mm = 4.8",
        ["[regions.kidney_left]", "voxel_mm and fwhm_mm belong together"],
    ),
    "resolution without voxel": (
        "mass_cv = 0.05",
        "mass_cv = 0.05\nfwhm_mm = 12.0",
        ["[regions.kidney_left]", "voxel_mm and fwhm_mm belong together"],
    ),
    "voxel without volume": (
        "mass_g = 160.0\nmass_cv = 0.05",
        "mass_g = 160.0\nvoxel_mm = 4.8\nfwhm_mm = 12.0",
        ["voxel_mm is given without a volume", "density_g_per_mL"],
    ),
    "voxel beside an uncertainty": (
        "mass_cv = 0.05",
        "mass_cv = 0.05\nvoxel_mm = 4.8\nfwhm_mm = 12.0",
        ["both mass_cv and voxel_mm", "remove one"],
    ),
    "no cycle": (
        "duration_h = 0.5",
        "duration_h = 0.5\ncycles = 0",
        ["[[plan]] number 1 cycles", "found 0", "a whole number of equal cycles, 1 to"],
    ),
    "half a cycle": (
        "duration_h = 0.5",
        "duration_h = 0.5\ncycles = 1.5",
        ["[[plan]] number 1 cycles", "found 1.5", "a whole number"],
    ),
    "plan that starts before": (
        "duration_h = 0.5",
        "duration_h = 0.5\nstart_h = -24.0",
        ["[[plan]] number 1 start_h", "found -24.0", "when the therapy is to start"],
    ),
    "history without uncertainty": (
        "[decision]",
        '[[history]]\ntarget = "kidneys"\nabsorbed_dose_Gy = 5.0\nsource = "x"\n'
        "[decision]",
        ["[[history]] number 1", "sd_Gy is missing", "a dose without its uncertainty"],
    ),
    "history less sure than its size": (
        "[decision]",
        '[[history]]\ntarget = "kidneys"\nabsorbed_dose_Gy = 5.0\nsd_Gy = 20.0\n'
        'source = "x"\n[decision]',
        ["[[history]] number 1", "sd_Gy 20 is above the dose of 5 Gy", "not in %"],
    ),
    "history in cGy": (
        "[decision]",
        '[[history]]\ntarget = "kidneys"\nabsorbed_dose_Gy = 500.0\nsd_Gy = 20.0\n'
        'source = "x"\n[decision]',
        ["[[history]] number 1 absorbed_dose_Gy", "found 500.0", "at most 200"],
    ),
    "one history in one bracket": (
        "[decision]",
        '[history]\ntarget = "kidneys"\nbed_Gy = 5.0\nsd_Gy = 2.0\nsource = "x"\n'
        "[decision]",
        ["[[history]]", "found the table [history]; write [[history]], with two br"],
    ),
    "history of two quantities": (
        "[decision]",
        '[[history]]\ntarget = "kidneys"\nabsorbed_dose_Gy = 5.0\nbed_Gy = 6.0\n'
        'sd_Gy = 1.0\nsource = "x"\n[decision]',
        ["[[history]] number 1", "absorbed_dose_Gy and bed_Gy", "different limits"],
    ),
    "history without dose": (
        "[decision]",
        '[[history]]\ntarget = "kidneys"\nsd_Gy = 1.0\nsource = "x"\n[decision]',
        ["[[history]] number 1", "gives no dose"],
    ),
    "history without source": (
        "[decision]",
        '[[history]]\ntarget = "kidneys"\nbed_Gy = 6.0\nsd_Gy = 1.0\n[decision]',
        ["[[history]] number 1 source is missing", "external beam 2019"],
    ),
    "treatment without a time": (
        "[decision]",
        '[[treatment]]\nwhat = "x"\n[decision]',
        ["[[treatment]] number 1 time_h is missing", "negative before it"],
    ),
    "half a gamma line": (
        "cv = 0.05\n\n[[plan]]",
        "cv = 0.05\ngamma_keV = 208.0\n\n[[plan]]",
        ["[calibration.SPECT]", "gives gamma_keV alone", "belong together"],
    ),
    "recovery without its curve": (
        "[decision]",
        "[recovery.SPECT]\nb1_mL = 4.0\nb1_cv = 0.1\nb2 = 1.0\nb2_cv = 0.1\n"
        "fwhm_mm = 12.0\n[decision]",
        ["[recovery.SPECT] correlation is missing", "0 if unknown"],
    ),
    "transplantation on the day itself": (
        "[decision]",
        "[transplantation]\nday = 0\n[decision]",
        ["[transplantation] day", "found 0", "after the therapy"],
    ),
    "tail that refuses before it flags": (
        "[decision]",
        "[tail]\nflag_above = 0.7\n[decision]",
        ["[tail]", "flag_above 0.7 is above refuse_above 0.6"],
    ),
    "tail in percent": (
        "[decision]",
        "[tail]\nrefuse_above = 60\n[decision]",
        ["[tail] refuse_above", "found 60", "between 0 and 1"],
    ),
    "model choice in percent": (
        "[decision]",
        "[uncertainty]\nmodel_choice_cv = 5\n[decision]",
        ["[uncertainty] model_choice_cv", "found 5", "at most 1"],
    ),
    "response of an unknown organ": (
        "[decision]",
        "[radiobiology.kidny]\nalpha_beta_Gy = 2.5\nalpha_beta_cv = 0.2\n"
        "repair_half_time_h = 2.8\nrepair_half_time_cv = 0.2\n[decision]",
        ["[radiobiology.kidny]", "'kidny' is not a known organ", "'kidney'"],
    ),
    "response without uncertainty": (
        "[decision]",
        "[radiobiology.kidney]\nalpha_beta_Gy = 2.5\nrepair_half_time_h = 2.8\n"
        "[decision]",
        [
            "[radiobiology.kidney] alpha_beta_cv is missing",
            "[radiobiology.kidney] repair_half_time_cv is missing",
        ],
    ),
    "S-values of a missing file": (
        "[decision]",
        '[s_values]\ntable = "s_values.csv"\n[decision]',
        ["[s_values] table: 's_values.csv' is no table of S-values", "put the file"],
    ),
    "S-values of another folder": (
        "[decision]",
        '[s_values]\ntable = "../p/s_values.csv"\n[decision]',
        ["[s_values] table: '../p/s_values.csv' is no table", "in the folder"],
    ),
    "S-values in the measurements": (
        "[decision]",
        '[s_values]\ntable = "measurements.csv"\n[decision]',
        ["[s_values] table: 'measurements.csv' is no table"],
    ),
    "S-values without a file": (
        "[decision]",
        "[s_values]\n[decision]",
        ["[s_values] table is missing", "a CSV file in the folder"],
    ),
}
