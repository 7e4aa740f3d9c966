/* What the functions are told about their arrays. Strides are in floats. */

struct correlation {
  int64_t images, height, width;           /* of the output, as far as this job fills it */
  int64_t in_image, in_row, in_pixel;      /* from one output pixel to the next, how far to go in x ... */
  int64_t out_image, out_row, out_pixel;   /* ... and in y */
  int64_t taps, run, outs;                 /* a window reads `taps` stretches of `run` floats; O */
  int64_t in_panels;                       /* whether weights are packed; if not, O is a multiple of a vector */
  int64_t begin, end;                      /* of the channels of y that this job fills: whole panels, or O at the end */
};

struct finish {
  const float *scale, *bias;               /* of each channel; none is 1 and 0 */
  int64_t added;                           /* from a number of y to the one that is added to it; 0: none */
  int64_t rectified;                       /* whether what is below 0 is stored as 0 */
};

struct tiles {
  int64_t images, rows, columns;           /* tiles of this job */
  int64_t channels, outs;                  /* C, O: multiples of 16 */
  int64_t in_height, in_width, top, left;  /* of x; and where in it the first tile begins: what lies outside is zero */
  int64_t in_image, in_row;
  int64_t height, width;                   /* of y: what tiles would lay beyond is dropped */
  int64_t out_image, out_row;
  int64_t chunk, plane;                    /* tiles at a time; and from one element of transformed tiles to the next */
};

struct level {
  float *pixels;
  int64_t image, height, width;            /* from one image to the next; and the size of the map */
};

struct crops {
  int64_t count, rows, columns, channels;  /* RoIs of this job, and the crop of each */
  int64_t samples, aligned;                /* samples of a bin along one axis; whether pixels have their centres at 0.5 */
};

struct job {
  int64_t kind;                            /* 0 a correlation, 1 an addition, 3 `select`, 2 or 4 Winograd's tiles of that size */
  float *y;
  const float *x, *w;
  const void *about;                       /* a struct correlation, or tiles */
  const struct finish *becomes;
  const int64_t *taps, *seen;              /* seen: how `window` copies x first; 0: it is read where it lies */
};
