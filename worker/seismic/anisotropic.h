/*
 * anisotropic.h - pseudo-acoustic waves in VTI and TTI media, in 2-D and 3-D.
 *
 * Two fields, q (the one that is injected, sampled and illuminated: wave.h's u) and p, with squared
 * slowness m = 1/vp^2 along the symmetry axis and Thomsen's epsilon and delta:
 *
 *     m p_tt = (1 + 2 epsilon) H p + s Z q + s f          s = sqrt(1 + 2 delta)
 *     m q_tt =               s H p +   Z q +   f
 *
 *   Z is the second derivative along the symmetry axis, H the Laplacian across it. With y = (H p, Z
 *   q) this is u_tt = M y + M (0, f), M = vp^2 ((1 + 2 epsilon, s), (s, 1)) at every point. H and Z
 *   are symmetric and nowhere positive and M symmetric and nowhere negative where epsilon >= delta,
 *   so that energy is conserved and the wave is stable whatever the model (Zhang, Zhang & Zhang
 *   2011, Geophysics 76(3), WA3-WA11, doi:10.1190/1.3554411; Duveneck & Bakker 2011, Geophysics
 *   76(2), S65-S75; Bube et al. 2016, Geophysics 81(6), SEG: self-adjoint, energy-conserving
 *   pairs).
 *
 *   Where epsilon < delta no such energy exists, and nobody knows how to go on: epsilon is raised
 *   to delta there, which leaves waves along the axis and the moveout (delta) as they are.
 *
 *   Where epsilon = delta (elliptical), p = s q, and q is the isotropic wave in stretched
 *   coordinates: m q_tt = (1 + 2 delta) H q + Z q + f. Elsewhere a slow second wave exists besides
 *   (the remnant of SV, Grechka et al. 2004), weaker the closer epsilon is to delta where the
 *   source is. Without anisotropy p = q is the acoustic wave. Where epsilon = delta nothing brings
 *   p - s q back to zero, so that what steps are rounded by adds up there: after 1000 steps 1e-4 of
 *   what has passed, after 4000 to 9000 2e-4 to 7e-4, in single precision.
 *
 * VTI: the axis is vertical. H is wave.h's second differences along x and y, Z those along z;
 *   layers as wave.h has them, those along x and y act on p, those along z on q.
 *
 * TTI: the axis is n = (sin theta cos phi, sin theta sin phi, cos theta) in x, y and z (down), in
 *   2-D (sin theta, cos theta). With D centred first differences of the space order on the grid's
 *   points,
 *
 *     Z = D_i n_i n_j D_j  (summed over i and j)          H = wave.h's Laplacian - Z
 *
 *   As (n . D u)^2 <= |D u|^2 at every point and the symbol of D^2 is nowhere beyond that of the
 *   second difference, H is nowhere positive, whatever n. Above a free surface n_x and n_y are
 *   mirrored with the opposite sign and n . D u with the same, so that fields stay odd. (Tilt zero
 *   gives VTI but for the error of D, which is of the same order and up to ten times that of second
 *   differences.)
 *
 *   Layers: convolutional PML in the derivatives of both, K x being the memory variable of wave.h's
 *   b and a (of points) that x drives, on every axis in its two slabs:
 *
 *     Z u: G = n_j (D_j u + psi_j),   psi_j = K D_j u;    t_i = D_i n_i G;   Z u = t_i + K t_i
 *     Laplacian u:  D2_i u + D_i psi_i + K (D2_i u + D_i psi_i)
 *
 *   A tilted medium has waves whose phase goes into a layer and whose energy comes out of it, and
 *   which therefore grow there (Becache, Fauqueux & Joly 2003, J. Comput. Phys. 188, 399-433): on
 *   an ellipse hardly, but the slow second wave does, ten million times in a thousand steps, for it
 *   has no velocity along the axis nor across it. So in layers it gets some, about the same in all
 *   directions, by a finite velocity of shear (Fletcher, Du & Fowler 2009, Geophysics 74(6),
 *   WCA179-WCA187), here as a potential energy of d = p - s q, which the fast wave hardly has: 1/2
 *   |grad g d|^2 adds to y = (y_q, y_p), and M makes of (-s, 1) what p alone has,
 *
 *     y += (-s, 1) g Laplacian f,  f = g (d + tau d_t),  M (-s, 1) = vp^2 (0, 2 (epsilon - delta))
 *
 *   with the Laplacian that p's layers have, of memory variables of its own. It is symmetric and
 *   nowhere positive, whatever the medium, and without the PML nothing grows for it. g^2 rises from
 *   0 at a fifth of a layer's points to 0.6 at their end, as x^2 (3 - 2 x). tau, the longest stable
 *   time step, damps the shortest waves first. Across the axis the fast wave becomes faster by it,
 *   so epsilon is lowered in layers until it is as fast as before, and, where steps are near the
 *   longest, as slow as they ask for with tau (anisotropic.c). And where layers are thin, what
 *   grows in random media nevertheless is eased,
 *
 *     p_tt + 2 eta d_t = ...     eta = d0 (depth/width)^2 / points^2
 *
 *   With 20 points these layers reflect of the energy (epsilon 0.2, tilts of 29 degrees): -67 dB
 *   straight on and -83 dB at 45 degrees where delta is 0.2, -64 dB and -76 dB where it is 0.1;
 *   with tilts of 11, 45, 57 and 74 degrees -61 to -65 dB and -73 dB or less; but -45 dB and -64 dB
 *   with epsilon 0.3 and delta 0 (these where the medium is elliptical within 12 points of the
 *   source: without slow waves, see below). Layers of VTI reflect less than -80 dB. They were
 *   stable over 50,000 steps with random vp, epsilon, delta and tilt from point to point, of 4 to
 *   20 points, for all orders, at 0.99 of the longest time step, and with constant tilts of 11 to
 *   74 degrees and epsilon - delta up to 0.5. (With epsilon 1, delta -0.3, which no rock has, and
 *   45 degrees they were not.)
 *
 *   What else was tried, all of it at 29 degrees, epsilon 0.2, delta 0.1: the convolutional PML
 *   alone (-80 dB and -97 dB, and it explodes); delta taken up to epsilon over half the layer (-52
 *   dB and -38 dB; over all of it -61 and -49, not stable); p relaxing towards s q, strongly enough
 *   (-38 dB and -51 dB); the two together (-47 and -39). What a change D of delta scatters goes as
 *   D (cos^2 i sin^2 r + sin^2 i cos^2 r), i and r the angles of both waves to the axis; what g^2
 *   scatters as g^2 2 (epsilon - delta)^2 sin^2 i sin^2 r, which is why it is the smaller, and the
 *   less so the larger epsilon - delta. A PML that damps along the edge, too (Meza-Fajardo &
 *   Papageorgiou 2008, BSSA 98(4), 1811-1836) cannot help: along the axis what it would have to
 *   make up for has no bounds, as long as the slow wave is as it is.
 *
 *   Slow waves that come to such an edge are thrown back, mostly: those with short waves along the
 *   edge cannot go where they would have to be faster. With tilts of 29 degrees they come later
 *   than what was measured above. With 57 degrees they come in time, and -16 dB are reflected
 *   straight on, with 74 degrees -4 dB.
 *
 * Transposed: with w = M (adjoint of (q, p)) the interior step is the very same, as M and what
 *   eases act point by point and their product is symmetric. The layers' terms are transposed as
 *   anisotropic_stage.c says.
 *
 * vmax of the layers is the largest vp sqrt(1 + 2 max(epsilon, delta, 0)), made a multiple of 250
 * m/s.
 *
 * Time step: cfl_limit (CFL_CENTRED) of the largest vp sqrt(1 + 2 max(epsilon, delta, 0)).
 *
 * Snapshots are y = (Z q + f, H p), in this order, in place of wave.h's s (for M may be singular),
 *   and so scattering is -(1/m) dm M y and imaging -(1/m) (y_q w_q + y_p w_p). Fields come in the
 *   same order.
 */
#ifndef BEOFARM_WORKER_SEISMIC_ANISOTROPIC_H
#define BEOFARM_WORKER_SEISMIC_ANISOTROPIC_H

#include "worker/seismic/wave.h"

extern const struct wave_physics vti_physics, tti_physics;

#endif
