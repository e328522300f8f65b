/* A package of a few lines, whose answers are easily computed in Python: see conftest.py. */
#ifndef ASC_FACTS_H
#define ASC_FACTS_H

#define ASC_HOP_SAMPLES 8
#define ASC_CELL_FRAMES 4
#define ASC_NUM_MELS 3
#define ASC_NUM_CELLS 2
#define ASC_NUM_SCENES 3
#define ASC_STEP_BYTES_PER_CELL 5
#define ASC_USES_CONTEXT 1
#define ASC_NUM_CITIES 2
#define ASC_TIME_FEATURES 8

#endif
