{
  # Replaces Node's headers: package.json points node-gyp here, so that it downloads none. The only target compiles nothing itself.
}
