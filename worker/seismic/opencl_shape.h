/*
 * opencl_shape.h - what kernels of a wave on a device are told of its grid: one struct, read by the
 * C compiler (opencl_wave.c fills it) and by that of the device alike, before opencl_kernels.cl.
 *
 * Point (ix, iy, iz) of the padded grid is at base + ix stride[0] + iy stride[1] + iz; around the
 * grid are zeros, as far as stencils reach. Memory variables psi and zeta of an axis lie, from
 * memory[axis] on, as [q][iy][iz] (x), [ix][q][iz] (y), [ix][iy][q] (z), where q counts the places
 * of both slabs of that axis, lo[axis] + hi[axis] of them; with a tilted axis all of q's, then all
 * of p's and all of f's. REAL is the type of numbers: float or double.
 */
#ifndef BEOFARM_WORKER_SEISMIC_OPENCL_SHAPE_H
#define BEOFARM_WORKER_SEISMIC_OPENCL_SHAPE_H

#define OPENCL_BOXES 6

struct opencl_shape {
    int n[4];           /* points of the padded grid along x, y, z */
    int stride[4];      /* numbers from point to point */
    int pad[4];         /* absorbing points before the medium's grid */
    int inner[4];       /* points of the medium's grid */
    int lo[4], hi[4];   /* places in the slabs before and after it */
    int memory[4];      /* where an axis' memory variables begin; [3]: how many there are */
    int coefficient[4]; /* where an axis' coefficients begin; [3]: how many places there are */
    int base;
    int shell;                                              /* numbers of a field's shell */
    int box_first[OPENCL_BOXES][4], box_n[OPENCL_BOXES][4]; /* the boxes of a shell */
    int box_at[OPENCL_BOXES];                               /* where they begin in it */
    REAL second[3][10]; /* second derivatives: [axis][distance] */
    REAL halves[3][8];  /* first derivatives, half-way: [axis][distance - 1/2] */
    REAL first[3][8];   /* first derivatives, centred: [axis][distance - 1] */
    REAL scale;         /* -1 / dt^2 */
    REAL spare;
};

#endif
