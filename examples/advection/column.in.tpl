# A spill, and a well downstream of it. Each run gets its own values where names stand in braces.
conductivity  = {conductivity}   # m/d
gradient      = 0.005            # m/m
porosity      = {porosity}       # effective
dispersivity  = {dispersivity}   # m
diffusion     = 5e-5             # m2/d
retardation   = {retardation}    # 1: no sorption
half_life     = {half_life}      # d
source_days   = 365              # the spill lasts a year
length        = 100              # m
well_distance = 50               # m
days          = 7300             # 20 years
cells         = 800
