"""A PEST case of any size for the model pest_model.c."""


def case_files(how, seconds, parameters, observations, sets=0, noptmax=10):
    """Its files, {name: text}; with `sets`, that many parameter sets in sweep_in.csv."""
    names = [f"p{i + 1}" for i in range(parameters)]
    control = [
        "pcf", "* control data", "restart estimation",
        f"{parameters} {observations} 1 0 1", "1 1 double point", "10.0 2.0 0.3 0.01 10",
        "10.0 10.0 0.001", "0.1", f"{noptmax} 0.005 4 4 0.005 4", "1 1 1",
        "* parameter groups", "pg relative 0.01 0.0 switch 2.0 parabolic", "* parameter data",
        *(f"{name} none relative 1.0 0.1 10.0 pg 1.0 0.0 1" for name in names),
        "* observation groups", "og", "* observation data",
        *(f"o{i + 1} 1.0 1.0 og" for i in range(observations)),
        "* model command line", f"./pest_model {how} {seconds} {observations}",
        "* model input/output", "model.tpl model.in", "model.ins model.out",
    ]
    template = ["ptf ~", *(f"~{name:<22}~" for name in names)]
    instructions = ["pif @", *(f"l1 w !o{i + 1}!" for i in range(observations))]
    rows = [",".join(["run", *names])]
    rows += [",".join([str(i), *(f"{1 + ((i * 7 + p * 13) % 89) / 89:.6f}"
                                 for p in range(parameters))]) for i in range(sets)]
    lists = {"case.pst": control, "model.tpl": template, "model.ins": instructions}
    if sets:
        lists["sweep_in.csv"] = rows
    return {name: "\n".join(lines) + "\n" for name, lines in lists.items()}
