//! Broken files, named with what was expected and what to do; the others of the same call are still done.

use crate::harness::{Scratch, data, model_file, moodlight};
use rstest::rstest;

/// A PNG that promises 40,000 × 40,000 pixels and has none.
fn huge_png() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x9c\x40\0\0\x9c\x40\x08\0\0\0\0".to_vec();
    let crc = crc32(&png[12..]);
    png.extend(crc.to_be_bytes());
    for chunk in [b"IDAT", b"IEND"] {
        png.extend([0; 4]);
        png.extend(chunk);
        png.extend(crc32(chunk).to_be_bytes());
    }
    png
}

/// The CRC of PNG chunks, ISO 3309.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
    })
}

fn photo() -> Vec<u8> {
    std::fs::read(data("neutral_stern_grace_hopper.jpg")).unwrap()
}

#[rstest]
#[case::zero_bytes(vec![], "is empty")]
#[case::no_picture(b"all work and no play".to_vec(), "no picture of a known kind")]
#[case::half_a_photo(photo()[..photo().len() / 2].to_vec(), "cut off")]
#[case::only_a_header(photo()[..20].to_vec(), "cut off or damaged")]
#[case::too_large(huge_png(), "64 megapixels")]
fn an_unreadable_photo_is_named_in_its_place(#[case] content: Vec<u8>, #[case] reason: &str) {
    let scratch = Scratch::new();
    let bad = scratch.write("bad.jpg", &content);
    let good = data("happy_astronaut.png");
    let ran = moodlight(["classify", "--json", &good, &bad, &good]).expect(1, &[reason]);
    let answers = ran.json();
    assert_eq!(answers[1]["image"], bad.as_str());
    let error = answers[1]["error"].as_str().unwrap();
    assert!(error.contains("bad.jpg") && error.contains(reason), "{error}");
    for i in [0, 2] {
        assert_eq!(answers[i]["faces"][0]["emotion"], "happy");
    }
}

#[rstest]
#[case::missing("no/such.png", "no/such.png")]
#[case::folder(".", "cannot be read")]
fn a_photo_that_is_no_file(#[case] name: &str, #[case] reason: &str) {
    let ran = moodlight(["classify", "--json", name]).expect(1, &[reason]);
    assert!(ran.json()[0]["error"].is_string());
}

/// A models folder with the manifest and detector as they are and the int8 classifier as given.
fn models_with(classifier: Option<&[u8]>) -> Scratch {
    let scratch = Scratch::new();
    for file in ["manifest.toml", "blazeface-back.onnx"] {
        scratch.write(file, &std::fs::read(model_file(file)).unwrap());
    }
    if let Some(bytes) = classifier {
        scratch.write("vgg-int8.onnx", bytes);
    }
    scratch
}

fn int8() -> Vec<u8> {
    std::fs::read(model_file("vgg-int8.onnx")).unwrap()
}

fn flipped() -> Vec<u8> {
    let mut bytes = int8();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

#[rstest]
#[case::missing(None, &["vgg-int8.onnx", "no such file", "--model"])]
#[case::one_bit_flipped(Some(flipped()), &["vgg-int8.onnx", "sha256", "restore"])]
#[case::truncated(Some(int8()[..1000].to_vec()), &["vgg-int8.onnx", "length in bytes", "1000"])]
#[case::empty(Some(vec![]), &["vgg-int8.onnx", "length in bytes", "found 0"])]
fn a_broken_model_stops_every_command_that_needs_it(#[case] file: Option<Vec<u8>>, #[case] words: &[&str]) {
    let models = models_with(file.as_deref());
    let folder = models.path("").display().to_string();
    let photo = data("happy_astronaut.png");
    let run = moodlight(["run", "--model", &folder, "--source", &format!("image:{photo}")]).expect(1, words);
    assert!(!run.stdout.contains("  happy "), "{run:#?}"); // the photo's own name has it too
    let classify = moodlight(["classify", "--json", "--model", &folder, &photo]).expect(1, words);
    assert!(classify.stdout.is_empty(), "{classify:#?}");
}

#[rstest]
#[case::not_onnx(b"this is no model".to_vec(), "onnx")]
#[case::empty(vec![], "onnx")]
#[case::another_shape(std::fs::read(model_file("blazeface-back.onnx")).unwrap(), "classes")]
fn a_strange_model_file_is_refused(#[case] content: Vec<u8>, #[case] word: &str) {
    let scratch = Scratch::new();
    let model = scratch.write("strange.onnx", &content);
    let ran =
        moodlight(["classify", "--model", &model, &data("happy_astronaut.png")]).expect(1, &["strange.onnx"]);
    let told = ran.stderr.to_lowercase();
    assert!(told.contains(word) || told.contains("expected"), "{ran:#?}");
}

#[rstest]
#[case::missing_image("image:no/such.png", "no/such.png")]
#[case::missing_clip("mjpeg:no/such.mjpeg", "no/such.mjpeg")]
#[case::missing_folder("dir:no/such", "no/such")]
#[case::absent_camera("v4l2:/dev/video97", "/dev/video97")]
fn an_absent_source_is_1(#[case] source: &str, #[case] word: &str) {
    moodlight(["run", "--source", source, "--duration", "3s"]).expect(1, &[word]);
}

fn read(name: &str) -> String {
    std::fs::read_to_string(model_file(name)).unwrap()
}

/// A models folder whose int8 classifier has one bit of one weight turned over and whose hashes say that this is right:
/// what a faulty memory cell does after the file was read and checked.
fn models_with_a_turned_bit() -> Scratch {
    use sha2::{Digest, Sha256};
    let mut bytes = int8();
    let middle = bytes.len() / 100; // among the convolutions' weights, of which every pixel makes use
    bytes[middle] ^= 0x40;
    let sha = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let (old, new) = (sha(&int8()), sha(&bytes));
    let models = models_with(Some(&bytes));
    for file in ["manifest.toml", "vgg-int8.selftest.json"] {
        assert!(read(file).contains(&old), "{file}");
        models.write(file, read(file).replace(&old, &new).as_bytes());
    }
    models
}

/// The fault pattern first (on the board of a test: in the trace and the terminal), then exit code 1 and no emotion.
#[test]
fn a_model_that_gives_wrong_logits_is_shown_as_a_fault() {
    let models = models_with_a_turned_bit();
    let folder = models.path("").display().to_string();
    let trace = models.path("trace").display().to_string();
    let clip = format!("image:{}", data("happy_astronaut.png"));
    let words = ["self-test failed", "vgg-int8.onnx", "fault      model: ", "restore"];
    let ran = moodlight(["run", "--model", &folder, "--source", &clip, "--trace", &trace]).expect(1, &words);
    assert!(!ran.stdout.contains("  happy "), "{ran:#?}");
    let trace = std::fs::read_to_string(trace).unwrap();
    let lines: Vec<serde_json::Value> = trace.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((&lines[0]["event"], &lines[0]["what"]), (&"fault".into(), &"model".into()), "{trace}");
    let fault = |on: bool| lines.iter().any(|l| l["line"] == "fault" && l["on"] == on);
    assert!(fault(true) && fault(false), "the double flash begins, and is ended: {trace}");
    assert_eq!(lines.last().unwrap()["event"], "end");
}

#[test]
fn a_model_without_goldens_is_said_to_be_untested() {
    let models = models_with(Some(&int8()));
    let clip = format!("image:{}", data("happy_astronaut.png"));
    let folder = models.path("").display().to_string();
    moodlight(["run", "--model", &folder, "--source", &clip]).expect(0, &["without a self-test", "happy"]);
}
