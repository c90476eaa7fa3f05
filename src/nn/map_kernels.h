// Loops over maps in channels-last memory for convolutions and batch norms of many channels, one
// version an instruction set and type of map. A map is [pixels][channels] of T: float, or bfloat16
// (uint16_t); every number of channels is a multiple of the version's lanes unless said otherwise.
#pragma once

#include <cstdint>

namespace tailor::nn {

/// Where the number of channel c, tap t of a 3x3 kernel (row by row) to output o stands:
/// at[o · output + c · input + t · tap].
struct KernelStrides {
  int64_t output, input, tap;
};

/// What is done to a pixel that a convolution has just made: relu?(y + bias + skip).
template <typename T>
struct Epilogue {
  const float* bias = nullptr;  // [channels], or null
  const T* skip = nullptr;      // of the same shape as the output, or null
  bool relu = false;
};

/// Whose gradient a batch norm's output hands back: all of it, where the output is above 0, or
/// where scale · x + shift is.
enum class ReluMask { None, Output, Recomputed };

/// What the two passes of a batch norm's backward read. `output` is read with ReluMask::Output;
/// scale and shift with Recomputed.
template <typename T>
struct NormGradient {
  const T *gradient, *input, *output;
  const float *scale, *shift;
  ReluMask mask;
};

/// A sum of products: `count` pairs of matrices, so many numbers apart.
struct Repeats {
  int64_t count = 1, a = 0, b = 0;
};

/// Products of matrices of T with float sums; the transforms of minimal filtering F(2x2, 3x3)
/// (Lavin and Gray 2016, section 4.1) that make such matrices, of tiles of 4x4 inputs and 2x2
/// outputs; and the passes of batch norm. A transformed tile is 16 numbers a channel, number i at
/// v[i · plane]; tiles follow one another, all channels of one together.
///
/// "By pairs" is how bfloat16 lies along the axis that is summed over: number 2i + 1 beside number
/// 2i. Floats lie as they are.
template <typename T>
struct MapKernels {
  const char* name;  // of the instruction set
  /// Around all products of a thread: between them it runs nothing but these kernels. Use
  /// work_off_products (nn/map_passes.h).
  void (*begin_products)();
  void (*end_products)();
  /// c (+)= Σ a · b: a [m][k], its rows `lda` numbers apart; b packed: panels of 2 · lanes columns
  /// (the last may be of lanes) and k rows each, by pairs of rows; c [m][n], its rows `ldc` floats
  /// apart. k is any number of floats, and even of bfloat16.
  void (*multiply)(const T* a, int64_t lda, const T* b, float* c, int64_t ldc, int64_t m, int64_t n,
                   int64_t k, bool add, const Repeats& repeats);
  /// c (+)= Σ aᵀ · b: a [k][m] of any m, b [k][n], both by pairs of rows; c [m][n].
  void (*multiply_transposed)(const T* a, int64_t lda, const T* b, int64_t ldb, float* c,
                              int64_t ldc, int64_t m, int64_t n, int64_t k, bool add,
                              const Repeats& repeats);
  /// Packs the matrix whose number (row, column) stands at[row · row_stride + column ·
  /// column_stride] for `multiply`; columns from `columns` up to the next multiple of lanes are 0.
  void (*pack_panels)(const float* at, int64_t row_stride, int64_t column_stride, int64_t rows,
                      int64_t columns, T* panels);
  /// Any number of them.
  void (*widen)(const T* from, float* to, int64_t n);
  /// relu?(from + bias + skip), rounded to T; `to` may be `from`.
  void (*activate)(const float* from, const Epilogue<T>& epilogue, int64_t pixels, int64_t channels,
                   T* to);

  /// Bᵀ d B of `tiles` tiles of one row: tile t begins at column 2t - left. rows[i]: row i of the
  /// map, `width` pixels; columns beyond are 0.
  void (*of_input)(const T* const rows[4], int64_t width, int64_t left, int64_t channels,
                   int64_t tiles, T* v, int64_t plane);
  /// The same by pairs of tiles; of an odd number the last one's partner is 0.
  void (*of_input_by_pairs)(const T* const rows[4], int64_t width, int64_t left, int64_t channels,
                            int64_t tiles, T* v, int64_t plane);
  /// A d Aᵀ of two rows of the output's gradient, the second may be null (beyond): the transpose of
  /// `to_output`. By pairs of tiles.
  void (*of_gradient)(const T* first, const T* second, int64_t width, int64_t channels,
                      int64_t tiles, T* v, int64_t plane);
  /// G g Gᵀ: u[i · plane] is a matrix [inputs][outputs], packed as `multiply` reads it.
  void (*of_kernel)(const float* at, const KernelStrides& strides, int64_t inputs, int64_t outputs,
                    T* u, int64_t plane);
  /// Aᵀ m A of sums of products into two rows of the output, of which the second may be null
  /// (beyond), and the last column too: `width` pixels are made. The epilogue's skip lies at the
  /// first row.
  void (*to_output)(const float* m, int64_t plane, int64_t channels, int64_t tiles, int64_t width,
                    T* first, T* second, const Epilogue<T>& epilogue);
  /// Gᵀ m G of matrices [inputs][outputs], row by row, into kernels.
  void (*to_kernel)(const float* m, int64_t plane, int64_t inputs, int64_t outputs, float* at,
                    const KernelStrides& strides);

  /// Mean and sum of squared deviations from it, of each channel.
  void (*moments)(const T* x, int64_t pixels, int64_t channels, float* mean, float* squares);
  /// relu?(scale · x + shift + skip): the skip may be null.
  void (*normalise)(const T* x, const T* skip, const float* scale, const float* shift, bool relu,
                    int64_t pixels, int64_t channels, T* y);
  /// sums[c] = Σ g and products[c] = Σ g · (x - mean), g the gradient behind the mask; g itself
  /// goes to `masked` unless that is null.
  void (*gradient_sums)(const NormGradient<T>& of, const float* mean, int64_t pixels,
                        int64_t channels, T* masked, float* sums, float* products);
  /// to_gradient · g + to_input · x + constant, each a number a channel.
  void (*input_gradient)(const NormGradient<T>& of, const float* to_gradient, const float* to_input,
                         const float* constant, int64_t pixels, int64_t channels, T* dx);

  /// Σ (x - y)² and Σ y² of n numbers, a multiple of the lanes.
  void (*squares)(const T* x, const T* y, int64_t n, float* apart, float* own);
  /// factor · (x - y).
  void (*scaled_difference)(const T* x, const T* y, float factor, int64_t n, T* to);
};

}  // namespace tailor::nn
