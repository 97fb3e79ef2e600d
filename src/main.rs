//! The binary: everything happens in the library's [`moodlight::cli`].

fn main() -> std::process::ExitCode {
    moodlight::cli::main()
}
