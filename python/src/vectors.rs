//! Vectors from and to numpy. C-contiguous float32, float16 and int8 arrays are copied as they are; everything else that
//! numpy makes an array of is converted once.

use crate::errors::argument;
use crate::errors::wrong_type;
use crate::values::type_name;
use half::f16;
use lodedb::Dtype;
use lodedb::Error;
use lodedb::Vector;
use lodedb::VectorSchema;
use numpy::Element;
use numpy::PyArray1;
use numpy::PyArrayDescrMethods;
use numpy::PyArrayDyn;
use numpy::PyArrayMethods;
use numpy::PyUntypedArray;
use numpy::PyUntypedArrayMethods;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Vectors of one name, row after row, copied out of Python's hands.
pub(crate) struct Matrix {
    rows: usize,
    width: usize,
    data: Data,
}

enum Data {
    F32(Vec<f32>),
    F16(Vec<f16>),
    I8(Vec<i8>),
    Bits(Vec<u8>),
}

impl Matrix {
    /// `rows` vectors of `width` numbers, one after the other in `values`.
    pub(crate) fn of_floats(rows: usize, width: usize, values: Vec<f32>) -> Self {
        Self { rows, width, data: Data::F32(values) }
    }

    /// Number of vectors.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The vector at `row`, which is less than [`rows`](Self::rows).
    pub(crate) fn row(&self, row: usize) -> Vector {
        let range = row * self.width..(row + 1) * self.width;
        match &self.data {
            Data::F32(values) => Vector::from(&values[range]),
            Data::F16(values) => Vector::from(values[range].iter().map(|v| v.to_f32()).collect::<Vec<f32>>()),
            Data::I8(values) => Vector::from(&values[range]),
            Data::Bits(bytes) => Vector::Bits(bytes[range].to_vec()),
        }
    }

    /// Some vector of the right width.
    pub(crate) fn any_row(&self) -> Vector {
        if self.rows > 0 { self.row(0) } else { Vector::F32(vec![0.0; self.width]) }
    }

    /// The vectors in `object`, an array (or what numpy makes one of) of one row a vector.
    pub(crate) fn of(object: &Bound<'_, PyAny>, schema: &VectorSchema) -> PyResult<Self> {
        let array = array_of(object, schema.name())?;
        match array.shape() {
            &[0] | &[0, _] => Ok(Self { rows: 0, width: schema.dim(), data: Data::F32(Vec::new()) }),
            &[rows, width] => read(&array, rows, width, schema),
            shape => Err(argument(format!(
                "vectors '{}' have the shape {}; two dimensions are needed, (records, {})",
                schema.name(),
                shape_text(shape),
                schema.dim()
            ))),
        }
    }
}

/// The one vector in `object`.
pub(crate) fn vector_in(object: &Bound<'_, PyAny>, schema: &VectorSchema) -> PyResult<Vector> {
    if let Ok(array) = object.cast::<PyArray1<f32>>()
        && array.len() == schema.dim()
        && let Ok(values) = array.readonly().as_slice()
    {
        return Ok(Vector::from(values));
    }
    let array = array_of(object, schema.name())?;
    match array.shape() {
        &[width] | &[1, width] => Ok(read(&array, 1, width, schema)?.row(0)),
        shape => Err(argument(format!(
            "vector '{}' has the shape {}; one dimension of {} is needed",
            schema.name(),
            shape_text(shape),
            schema.dim()
        ))),
    }
}

/// The vector for Python: numpy's float32, int8, or packed bits as uint8.
pub(crate) fn vector_out<'py>(py: Python<'py>, vector: &Vector) -> Bound<'py, PyAny> {
    match vector {
        Vector::I8(values) => PyArray1::from_slice(py, values).into_any(),
        Vector::Bits(bytes) => PyArray1::from_slice(py, bytes).into_any(),
        Vector::F32(values) => PyArray1::from_slice(py, values).into_any(),
        other => PyArray1::from_vec(py, other.to_f32()).into_any(),
    }
}

fn shape_text(shape: &[usize]) -> String {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("({}{})", sizes.join(", "), if shape.len() == 1 { "," } else { "" })
}

/// An array of what is in `object`, which is about the vector `name`.
pub(crate) fn array_of<'py>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyUntypedArray>> {
    if let Ok(array) = object.cast::<PyUntypedArray>() {
        return Ok(array.clone());
    }
    let numpy = object.py().import(intern!(object.py(), "numpy"))?;
    let array = numpy.call_method1(intern!(object.py(), "asarray"), (object,)).map_err(|error| {
        argument(format!(
            "vector '{name}': no array of numbers can be made of {}: {error}",
            type_name(object)
        ))
    })?;
    Ok(array.cast_into::<PyUntypedArray>()?)
}

fn read(
    array: &Bound<'_, PyUntypedArray>,
    rows: usize,
    width: usize,
    schema: &VectorSchema,
) -> PyResult<Matrix> {
    let kind = array.dtype().kind();
    let item_bytes = array.dtype().itemsize();
    let binary = schema.get_dtype() == Dtype::Binary;
    let packed = binary && kind == b'u' && item_bytes == 1 && width * 8 == schema.dim();
    if !packed && width != schema.dim() {
        let vector = schema.name().to_owned();
        let error = Error::DimensionMismatch { vector, expected: schema.dim(), found: width };
        return Err(crate::errors::to_py(error));
    }
    let is_bfloat16 = || array.dtype().to_string() == "bfloat16";
    let data = match (kind, item_bytes) {
        (b'u', 1) if packed => Data::Bits(copied(array, "uint8")?),
        (b'f', 4) => Data::F32(copied(array, "float32")?),
        (b'f', 2) => Data::F16(copied(array, "float16")?),
        (b'i', 1) => Data::I8(copied(array, "int8")?),
        (b'f' | b'i' | b'u' | b'b', _) => Data::F32(copied(array, "float32")?),
        _ if is_bfloat16() => Data::F32(copied(array, "float32")?),
        _ => {
            let dtype = array.dtype().to_string();
            return Err(wrong_type(format!(
                "vector '{}' has the dtype {dtype} and shape {}; numbers are needed",
                schema.name(),
                shape_text(array.shape())
            )));
        }
    };
    Ok(Matrix { rows, width, data })
}

/// The elements of `array` as `dtype`, in C order.
pub(crate) fn copied<T: Element + Copy>(array: &Bound<'_, PyUntypedArray>, dtype: &str) -> PyResult<Vec<T>> {
    let py = array.py();
    if let Ok(typed) = array.cast::<PyArrayDyn<T>>()
        && typed.is_c_contiguous()
        && let Ok(values) = typed.readonly().as_slice()
    {
        return Ok(values.to_vec());
    }
    let keywords = PyDict::new(py);
    keywords.set_item(intern!(py, "dtype"), dtype)?;
    let numpy = py.import(intern!(py, "numpy"))?;
    let converted = numpy.call_method(intern!(py, "ascontiguousarray"), (array,), Some(&keywords))?;
    let typed = converted.cast_into::<PyArrayDyn<T>>().map_err(PyErr::from)?;
    let values = typed.readonly().as_slice().map(<[T]>::to_vec);
    values.map_err(|error| argument(format!("the array can't be read: {error}")))
}
