/*
 * anisotropic.h - pseudo-acoustic waves in VTI and TTI media, in 2-D and 3-D.
 *
 * Two fields, q (the one that is injected, sampled and illuminated: wave.h's u) and p, with squared
 * slowness m = 1/vp^2 along the symmetry axis and Thomsen's epsilon and delta:
 *
 *     m p_tt = (1 + 2 epsilon) H p + s Z q + s f          s = sqrt(1 + 2 delta)
 *     m q_tt =               s H p +   Z q +   f
 *
 *   Z is the second derivative along the symmetry axis, H the Laplacian across it. With y = (H p, Z q)
 *   this is u_tt = M y + M (0, f), M = vp^2 ((1 + 2 epsilon, s), (s, 1)) at every point. H and Z are
 *   symmetric and nowhere positive and M symmetric and nowhere negative where epsilon >= delta, so that
 *   energy is conserved and the wave is stable whatever the model (Zhang, Zhang & Zhang 2011,
 *   Geophysics 76(3), WA3-WA11, doi:10.1190/1.3554411; Duveneck & Bakker 2011, Geophysics 76(2),
 *   S65-S75; Bube et al. 2016, Geophysics 81(6), SEG: self-adjoint, energy-conserving pairs).
 *
 *   Where epsilon < delta no such energy exists, and nobody knows how to go on: epsilon is raised to
 *   delta there, which leaves waves along the axis and the moveout (delta) as they are.
 *
 *   Where epsilon = delta (elliptical), p = s q, and q is the isotropic wave in stretched coordinates:
 *   m q_tt = (1 + 2 delta) H q + Z q + f. Elsewhere a slow second wave exists besides (the remnant of SV,
 *   Grechka et al. 2004), weaker the closer epsilon is to delta where the source is. Without anisotropy
 *   p = q is the acoustic wave.
 *
 * VTI: the axis is vertical. H is wave.h's second differences along x and y, Z those along z; layers as
 *   wave.h has them, those along x and y act on p, those along z on q.
 *
 * TTI: the axis is n = (sin theta cos phi, sin theta sin phi, cos theta) in x, y and z (down), in 2-D
 *   (sin theta, cos theta). With D centred first differences of the space order on the grid's points,
 *
 *     Z = D_i n_i n_j D_j  (summed over i and j)          H = wave.h's Laplacian - Z
 *
 *   As (n . D u)^2 <= |D u|^2 at every point and the symbol of D^2 is nowhere beyond that of the second
 *   difference, H is nowhere positive, whatever n. Above a free surface n_x and n_y are mirrored with
 *   the opposite sign and n . D u with the same, so that fields stay odd. (Tilt zero gives VTI but for
 *   the error of D, which is of the same order and up to ten times that of second differences.)
 *
 *   Layers: convolutional PML in the derivatives of both, K x being the memory variable of wave.h's b
 *   and a (of points) that x drives, on every axis in its two slabs:
 *
 *     Z u: G = n_j (D_j u + psi_j),   psi_j = K D_j u;    t_i = D_i n_i G;   Z u = t_i + K t_i
 *     Laplacian u:  D2_i u + D_i psi_i + K (D2_i u + D_i psi_i)
 *
 *   A tilted medium has waves whose phase goes into a layer and whose energy comes out of it, and which
 *   therefore grow there (Becache, Fauqueux & Joly 2003, J. Comput. Phys. 188, 399-433): on an ellipse
 *   hardly, but the slow second wave does, and fast. So over the first half of a layer delta goes up to
 *   epsilon, and that wave stops; and all over it, p relaxes towards s q, which absorbs that wave and
 *   leaves the fast one alone, for which p is nearly s q:
 *
 *     p_tt + 2 eta (p_t - s q_t) = ...     eta = d0 / 2 (depth/width)^2
 *
 *   With 20 points these layers reflect of the energy (epsilon 0.2, tilts of 29 degrees): -67 dB or less
 *   straight on and at 45 degrees where delta is 0.2, -47 dB and -39 dB where it is 0.1; those of VTI less
 *   than -80 dB. They were stable over 50,000 steps with random vp, epsilon, delta and tilt from point to
 *   point, at 0.99 of the longest time step, and over 8,000 with constant tilts and epsilon - delta up
 *   to 0.5.
 *
 *   That is not the convolutional PML, which alone reflects -71 dB and -87 dB where delta is 0.1, but in
 *   which the slow wave grows ten million times in a thousand steps: it is what keeps that wave from growing.
 *   Delta's rise alone reflects -52 dB and -38 dB (in one step -40 and -30; over the whole layer -61 and
 *   -49, which is not stable), relaxing alone -38 dB and -51 dB (a fifth as fast -49 and -59, not stable).
 *   An ellipse with the medium's velocities at three angles in place of delta's rise reflects as much: what
 *   a change d of delta scatters goes as d (cos^2 i sin^2 r + sin^2 i cos^2 r), i and r the angles of both
 *   waves to the axis, and not as the change of velocity; where the axis is at 45 degrees to the edge
 *   no change of vp, epsilon and delta makes up for that. Not tried: a finite shear velocity of p - s q in
 *   the layers, with which the slow wave is nearly as fast in all directions (Fletcher, Du & Fowler 2009,
 *   Geophysics 74(6), WCA179-WCA187) and the PML may be stable by itself; it takes memory variables of
 *   p - s q.
 *
 *   Where delta comes to epsilon the slow wave comes to rest, and what of it reaches a layer is thrown back,
 *   mostly. At tilts of 29 degrees it comes later than what was measured above. With 57 degrees it comes in
 *   time, and -14 dB are reflected straight on, but -53 dB where the medium is elliptical around the source.
 *
 * Transposed: with w = M (adjoint of (q, p)) the interior step is the very same, as M and what relaxes
 *   act point by point and their product is symmetric. The layers' terms are transposed as
 *   anisotropic_stage.c says.
 *
 * vmax of the layers is the largest vp sqrt(1 + 2 max(epsilon, delta, 0)), made a multiple of 250 m/s.
 *
 * Time step: cfl_limit (CFL_CENTRED) of the largest vp sqrt(1 + 2 max(epsilon, delta, 0)).
 *
 * Snapshots are y = (Z q + f, H p), in this order, in place of wave.h's s (for M may be singular), and so
 *   scattering is -(1/m) dm M y and imaging -(1/m) (y_q w_q + y_p w_p). Fields come in the same order.
 */
#ifndef BEOFARM_WORKER_SEISMIC_ANISOTROPIC_H
#define BEOFARM_WORKER_SEISMIC_ANISOTROPIC_H

#include "worker/seismic/wave.h"

extern const struct wave_physics vti_physics, tti_physics;

#endif
