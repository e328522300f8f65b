/* A recording on the host as the microphone of an emulated board, and the link over the board's
   UART. */
#ifndef ASC_PLAYER_H
#define ASC_PLAYER_H

#include "asc_link.h"

enum { ASC_PLAYER_SAMPLES = 441 };

/* Starts clock, UART and link. `on_context` may be NULL. */
void asc_player_start(asc_link_t *link, const asc_link_device_t *device,
                      void (*on_context)(void *context, const asc_link_context_t *scene_context));

/* Answers the host; samples that are due since the host's last START, at most ASC_PLAYER_SAMPLES.
   With none it dozes first. `*is_first`: they are the first of a stream, and of recording.bin (16
   bits, little-endian). */
uint32_t asc_player_next(asc_link_t *link, int16_t *samples, int *is_first);

#endif
