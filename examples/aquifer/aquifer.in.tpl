ptf ~
# Transmissivity at the pilot points, m2/d
transmissivity_1   ~t1                    ~
transmissivity_2   ~t2                    ~
transmissivity_3   ~t3                    ~
transmissivity_4   ~t4                    ~
transmissivity_5   ~t5                    ~
transmissivity_6   ~t6                    ~
transmissivity_7   ~t7                    ~
transmissivity_8   ~t8                    ~
# Recharge, m/d
recharge_upland    ~rch_up                ~
recharge_lowland   ~rch_low               ~
# Conductance of a cell's river bed and of the western side, m2/d
river_conductance  ~c_river               ~
hills_conductance  ~c_hills               ~
