mod analyzer;
mod stop_words;
mod words;
