/* What the functions are told about their arrays. Strides are in floats. */

struct correlation {
  int64_t images, height, width;           /* of the output, as far as this job fills it */
  int64_t in_image, in_row, in_pixel;      /* from one output pixel to the next, how far to go in x ... */
  int64_t out_image, out_row, out_pixel;   /* ... and in y */
  int64_t taps, run, outs;                 /* a window reads `taps` stretches of `run` floats; O */
};

struct tiles {
  int64_t images, rows, columns;           /* tiles of this job */
  int64_t channels, outs;                  /* C, O: multiples of 16 */
  int64_t in_image, in_row;                /* strides of x, of which a tile needs m + 2 rows and columns */
  int64_t height, width;                   /* pixels of y: what tiles would lay beyond is dropped */
  int64_t out_image, out_row;
  int64_t plane;                           /* from one element of the transformed tiles to the next */
};
