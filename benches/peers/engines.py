"""Every engine by its name in tables and on the command line: `ENGINES` of vectors alone, `STORES` of fields and words too."""

import databases
import libraries
import selecting
import stores
import words

ENGINES = {
    "lode": databases.Lode,
    "hnswlib": libraries.Hnswlib,
    "usearch-bf16": libraries.Usearch,
    "faiss-hnsw": libraries.FaissHnsw,
    "faiss-hnsw-sq8": libraries.FaissHnswSq8,
    "faiss-ivfpq": libraries.FaissIvfPq,
    "scann": libraries.Scann,
    "zvec-uint8": libraries.Zvec,
    "zvec-int8": libraries.ZvecInt8,
    "svs-f16": libraries.Svs,
    "svs-lvq8": libraries.SvsLvq8,
    "svs-lvq4x8": libraries.SvsLvq4x8,
    "turbovec": libraries.Turbovec,
    "qdrant-edge": databases.QdrantEdge,
    "lancedb": databases.LanceDb,
    "chromadb": databases.Chroma,
    "sqlite-vec": databases.SqliteVec,
    "omendb": databases.Omendb,
}

STORES = {
    "lode": stores.Lode,
    "lode-joined": stores.LodeJoined,
    "qdrant-edge": stores.QdrantEdge,
    "lancedb": stores.LanceDb,
    "zvec": stores.Zvec,
    "chromadb": stores.Chroma,
    "omendb": stores.Omendb,
    "hnswlib": selecting.Hnswlib,
    "faiss-hnsw": selecting.FaissHnsw,
    "bm25s": words.Bm25s,
    "tantivy": words.Tantivy,
}
